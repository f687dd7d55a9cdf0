# Prints what LIO has, for parseLIO. It changes nothing, needs no rights, and never prints a CHAP secret, only which are set: that, and the
# names of CHAP's users, the kernel tells nobody but root (the files' modes say otherwise).
# Arguments: LIO's configfs, sysfs' block devices, the directory of zvols, the directory of what nightshift puts back at boot.
# Lines: F<path>NUL<line of an attribute>, D<directory>, L<symbolic link>NUL<where to>, C<secret that is set>, K (which are set is known), X<what may not be read>,
# B<backstore>NUL<device>NUL<logical block>NUL<physical block>NUL<sectors of 512 bytes>NUL<cache>, Z<zvol>NUL<where to>, S<saved>.
LC_ALL=C
export LC_ALL
root=$1 block=$2 zvols=$3 state=$4

# attributes DIR... prints or runs (action) what there is to read, without the many that say nothing of identity.
attributes() {
	find "$@" \( -path 'core/*/*/statistics' -o -path 'core/*/*/alua' -o -path 'core/*/*/pr' -o -path '*/fabric_statistics' \
		-o -path 'iscsi/*/tpgt_*/param' -o -path 'iscsi/*/lun_*/statistics' \) -prune \
		-o -type f \( -name udev_path -o -name enable -o -name info -o -name vpd_unit_serial -o -name company_id \
		-o -name vendor_id -o -name product_id -o -name revision -o -name block_size -o -name emulate_caw -o -name emulate_3pc \
		-o -name authentication -o -name generate_node_acls -o -name write_protect \) -print0
}

secrets() {
	find "$@" -type f -path 'iscsi/*/tpgt_*/acls/*/auth/password_mutual' -print0
}

users() {
	find "$@" -type f -path 'iscsi/*/tpgt_*/acls/*/auth/*' \( -name userid -o -name userid_mutual \) -print0
}

number() {
	if [ -r "$1" ]; then cat "$1"; else echo; fi
}

echo 'nightshift-lio-listing 1'
for f in "$state"/*.lu; do
	[ ! -e "$f" ] || printf 'S%s\n' "${f##*/}"
done
if ! cd "$root" 2>/dev/null || [ ! -d core ]; then
	echo absent
	echo end
	exit 0
fi
set -- core
[ ! -d iscsi ] || set -- core iscsi

# Who is logged in to a group without being listed: names with a NUL behind each. That there is none is a line, too.
for f in iscsi/*/tpgt_*/dynamic_sessions; do
	[ -e "$f" ] || continue
	who=$(tr -d '\000' 2>/dev/null <"$f") || continue
	printf '%s\n' '' "$who" | while IFS= read -r i; do printf 'F%s\0%s\n' "$f" "$i"; done
done

# An attribute without a line, and one that the kernel does not give (EINVAL), is left out; so is what grep says of it.
attributes "$@" | xargs -0 -r grep -HZ '' 2>/dev/null | sed 's/^/F/'
find "$@" -type f \( -name info -o -name vpd_unit_serial \) ! -readable -printf 'X%p\n'
if [ "$(id -u)" = 0 ]; then
	echo K
	secrets "$@" | xargs -0 -r grep -lvx -e '' -e NULL 2>/dev/null | sed 's/^/C/'
	users "$@" | xargs -0 -r grep -HZvx -e '' -e NULL 2>/dev/null | sed 's/^/F/'
fi
find "$@" -mindepth 2 -maxdepth 5 -type d \( -path 'core/*_*/*' ! -path 'core/*/*/*' -o -path 'iscsi/*/tpgt_*' ! -path 'iscsi/*/tpgt_*/*' \
	-o -path 'iscsi/*/tpgt_*/np/*' -o -path 'iscsi/*/tpgt_*/acls/*' ! -path 'iscsi/*/tpgt_*/acls/*/*' \) -printf 'D%p\n'
[ ! -d iscsi ] || find iscsi -type l -printf 'L%p\0%l\n'

for f in core/*/*/udev_path; do
	[ -r "$f" ] || continue
	device=$(cat "$f")
	[ -n "$device" ] || continue
	real=$(readlink -f -- "$device") || real=
	d=$block/${real##*/}
	[ -n "$real" ] || continue
	[ -d "$d/queue" ] || continue
	printf 'B%s\0%s\0%s\0%s\0%s\0%s\n' "${f%/udev_path}" "$real" "$(number "$d/queue/logical_block_size")" \
		"$(number "$d/queue/physical_block_size")" "$(number "$d/size")" "$(number "$d/queue/write_cache")"
done
[ ! -d "$zvols" ] || find "$zvols" -type l -printf 'Z%p\0%l\n'
echo end
