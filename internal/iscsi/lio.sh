#!/bin/sh
# nightshift: publishes zvols as iSCSI logical units of LIO, and puts them back when the host boots.
# Installed and used by nightshift (`nightshift lab prepare-storage`); the service account runs it, and nothing else of LIO, as root.
#
#	nightshift-lio publish NAME            what it is to be on standard input, as nightshift writes it; kept for the next boot
#	nightshift-lio unpublish NAME [sessions]   taken from all initiators; refused while one is logged in, unless "sessions"
#	nightshift-lio boot                    publishes all that is kept
#	nightshift-lio version
#
# It prints a line for each thing that it did. Exit status: 0 done (or nothing to do), 1 failed, 2 not understood, 3 something else
# is in the way, 4 initiators are logged in. With 2, 3 and 4 nothing was changed.
#
# LIO's own tools (targetcli, targetctl) neither save nor restore company id, vendor and product. What is published here is therefore
# kept apart from their saveconfig.json, and taken out of it where an administrator's targetcli wrote it there.
PATH=/usr/sbin:/sbin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
version=1
root=/sys/kernel/config/target
state=/etc/nightshift-lio
held=/run/nightshift-lio.lock
saveconfigs='/etc/rtslib-fb-target/saveconfig.json /etc/target/saveconfig.json'

# What was begun is done to its end, though the connection is lost and nobody hears of it: else it could be so, and come back at boot as
# it was before.
trap '' PIPE HUP

say() { printf '%s\n' "$*" 2>/dev/null || :; }

fail() {
	status=$1
	shift
	printf '%s\n' "$*" >&2
	exit "$status"
}

# lock lets one at a time look and change, until it ends: between the two of one, another would make what it did not see.
lock() {
	exec 9>"$held"
	flock -w 60 9 || fail 3 'another nightshift-lio is at work: try again when it has ended'
}

# put VALUE FILE TITLE writes an attribute; what is so already is not written.
put() {
	[ "$(value "$2")" != "$1" ] || return 0
	printf '%s\n' "$1" >"$2" 2>/dev/null || fail 1 "the kernel refuses $3"
	say "$3"
}

# value FILE is what an attribute holds. Serial numbers have a title in front.
value() {
	IFS= read -r _v <"$1" 2>/dev/null || [ -n "$_v" ] || _v=
	printf '%s' "${_v#T10 VPD Unit Serial Number: }"
}

# company FILE is the company id, as a number; kernels before 5.9 have LIO's own and no such file.
company() {
	_c=$(value "$1")
	printf '%d' "$((${_c:-0x001405}))"
}

# ---- what it is to be

# load FILE reads what nightshift wrote. One line each: a word, a blank, a value.
load() {
	name='' device='' serial='' company='' vendor='' product='' revision='' block='' caw='' xcopy='' readonly=0 target='' group='' lun=''
	portals='' initiators='' chap=0 complete=0
	while IFS= read -r line; do
		rest=${line#* }
		case $line in
		'nightshift-lio 1') ;;
		'name '*) name=$rest ;;
		'device '*) device=$rest ;;
		'serial '*) serial=$rest ;;
		'company '*) company=$rest ;;
		'vendor '*) vendor=$rest ;;
		'product '*) product=$rest ;;
		'revision '*) revision=$rest ;;
		'block '*) block=$rest ;;
		'caw '*) caw=$rest ;;
		'xcopy '*) xcopy=$rest ;;
		'readonly '*) readonly=$rest ;;
		'target '*) target=$rest ;;
		'group '*) group=$rest ;;
		'lun '*) lun=$rest ;;
		'portal '*) portals="$portals $rest" ;;
		'chap '*) chap=$rest ;;
		'grant '*)
			iscsi_name "$rest" 'the initiator'
			initiators="$initiators $rest"
			;;
		'grant-readonly '*) bit "$rest" ;;
		'user '* | 'secret '* | 'mutual-user '* | 'mutual-secret '*) ;;
		end) complete=1 ;;
		*) fail 2 "not understood: a line that begins with ${line%% *}" ;;
		esac
	done <"$1"
	[ "$complete" = 1 ] || fail 2 'what it is to be came only in part'
	[ "$name" = "$want" ] || fail 2 "it is about ${name:-nothing}, not about $want"
	check
	tpg=$root/iscsi/$target/tpgt_$group
}

# check refuses what nightshift does not write: who runs this is not root, and what follows becomes paths. A blank in a zvol's name is a
# + in that of its device.
check() {
	case $device/ in
	*[!A-Za-z0-9_.:/+\ -]* | *//* | */./* | */../*) fail 2 "$device is no device of a zvol" ;;
	/dev/zvol/?*/) ;;
	*) fail 2 "$device is no device of a zvol" ;;
	esac
	case ${company#0x} in # 24 bits, written with six digits or with eight
	"$company" | *[!0-9a-f]*) fail 2 "$company is no company id" ;;
	?????? | 00??????) ;;
	*) fail 2 "$company is no company id" ;;
	esac
	iscsi_name "$target" 'the target'
	for n in "$group" "$lun" "${block:-0}"; do
		case $n in
		'' | 0?* | *[!0-9]* | ??????*) fail 2 "$n is no number" ;;
		esac
	done
	for n in "${caw:-0}" "${xcopy:-0}" "$readonly" "$chap"; do bit "$n"; done
	set -f # brackets of IPv6 are no pattern
	for p in $portals; do
		case $p in
		*[!][A-Za-z0-9.:%_-]*) fail 2 "$p is no portal" ;;
		?*:[0-9]*) ;;
		*) fail 2 "$p is no portal" ;;
		esac
	done
	set +f
}

iscsi_name() {
	case $1 in
	*[!A-Za-z0-9.:_-]*) ;;
	iqn.* | eui.* | naa.*) return ;;
	esac
	fail 2 "$2 $1 is no iSCSI name"
}

bit() {
	case $1 in
	0 | 1) ;;
	*) fail 2 "$1 is neither 0 nor 1" ;;
	esac
}

# ---- what there is

# backstore prints the directory of the block device's backstore of that name.
backstore() {
	for d in "$root"/core/iblock_*/"$name"; do
		[ ! -d "$d" ] || printf '%s' "$d"
	done
}

# luns STORE prints the directories of the LUNs, in all portal groups, that lead to a backstore.
luns() {
	for l in "$root"/iscsi/*/tpgt_*/lun/lun_*/*; do
		[ -L "$l" ] || continue
		case $(readlink "$l") in
		*/core/"${1#"$root"/core/}") printf '%s\n' "${l%/*}" ;;
		esac
	done
}

# mapped LUN prints the directories by which initiators see a LUN.
mapped() {
	for m in "${1%/lun/lun_*}"/acls/*/lun_*/*; do
		[ -L "$m" ] || continue
		case $(readlink "$m") in
		*"${1#"$root"}") printf '%s\n' "${m%/*}" ;;
		esac
	done
}

# busy LUN prints the initiators that are logged in and may use a LUN. What cannot be read counts as logged in.
busy() {
	mapped "$1" | while IFS= read -r m; do
		case $(value "${m%/*}/info") in
		'No active iSCSI Session'*) ;;
		*) i=${m%/*} && printf '%s\n' "${i##*/}" ;;
		esac
	done
	g=${1%/lun/lun_*}
	cat "$g/dynamic_sessions" 2>/dev/null || printf '%s\n' "${g#"$root"/iscsi/}"
}

same_device() { [ "$(readlink -f -- "$1")" = "$(readlink -f -- "$2")" ]; }

# differs STORE says in what a backstore is not what it is to be, as far as that cannot be changed under initiators.
differs() {
	same_device "$(value "$1/udev_path")" "$device" || printf 'it is on %s; ' "$(value "$1/udev_path")"
	[ "$(value "$1/wwn/vpd_unit_serial")" = "$serial" ] || printf 'its serial number is %s; ' "$(value "$1/wwn/vpd_unit_serial")"
	[ "$(company "$1/wwn/company_id")" = "$((company))" ] || printf 'its company id is %s; ' "$(value "$1/wwn/company_id")"
	[ "$(value "$1/wwn/vendor_id")" = "$vendor" ] || printf 'its vendor is %s; ' "$(value "$1/wwn/vendor_id")"
	[ "$(value "$1/wwn/product_id")" = "$product" ] || printf 'its product is %s; ' "$(value "$1/wwn/product_id")"
	[ -z "$revision" ] || [ "$(value "$1/wwn/revision")" = "$revision" ] || printf 'its revision is %s; ' "$(value "$1/wwn/revision")"
	[ -z "$block" ] || [ "$(value "$1/attrib/block_size")" = "$block" ] || printf 'its blocks have %s bytes; ' "$(value "$1/attrib/block_size")"
	[ "$readonly" = 1 ] || ! grep -q 'readonly: 1' "$1/info" || printf 'its backstore is read-only; '
}

# ---- changes

ready() {
	[ -d "$root/core" ] || modprobe -a target_core_mod || fail 1 'the module target_core_mod cannot be loaded'
	[ -d "$root/core" ] || mount -t configfs none /sys/kernel/config || fail 1 'configfs cannot be mounted'
	modprobe -a target_core_iblock iscsi_target_mod || fail 1 'the modules target_core_iblock and iscsi_target_mod cannot be loaded'
	[ -d "$root/iscsi" ] || mkdir "$root/iscsi" || fail 1 'LIO has no iSCSI'
}

# obstacles refuses, before anything is changed, what would end half done or would show one thing twice.
obstacles() {
	[ -b "$device" ] || fail 3 "there is no block device $device"
	store=$(backstore)
	if [ -n "$store" ]; then
		why=$(differs "$store")
		if [ -n "$why" ] && [ -n "$(luns "$store")" ]; then
			fail 3 "$name is published as something else: ${why%; }"
		fi
	fi
	for l in $([ -z "$store" ] || luns "$store"); do
		[ "$l" = "$tpg/lun/lun_$lun" ] || fail 3 "$name is published as ${l#"$root"/iscsi/}, too: unpublish it first"
	done
	for d in "$root"/core/*/*/udev_path; do
		[ -e "$d" ] || continue
		[ "${d%/udev_path}" != "$store" ] || continue
		! same_device "$(value "$d")" "$device" || fail 3 "the device is in use by ${d%/udev_path}"
	done
	for d in "$root"/core/*/*/wwn/vpd_unit_serial; do
		[ -e "$d" ] || continue
		[ -n "$(value "$d")" ] || continue # it shows no NAA
		[ "${d%/wwn/vpd_unit_serial}" != "$store" ] || continue
		if [ "$(digits "$(value "$d")")" = "$(digits "$serial")" ] && [ "$(company "${d%/*}/company_id")" = "$((company))" ]; then
			fail 3 "the NAA is shown by ${d%/wwn/vpd_unit_serial} already"
		fi
	done
	for l in "$tpg/lun/lun_$lun"/*; do
		[ -L "$l" ] || continue
		case $(readlink "$l") in
		*/core/iblock_*/"$name") ;;
		*) fail 3 "LUN $lun of $target, group $group, is another: $(readlink "$l")" ;;
		esac
	done
	for i in $initiators; do # its number for an initiator need not be that of the group
		for l in "$tpg/acls/$i/lun_$lun"/*; do
			[ -L "$l" ] || continue
			case $(readlink "$l") in
			*"${tpg#"$root"}/lun/lun_$lun") ;;
			*) fail 3 "$i sees another as LUN $lun: $(readlink "$l")" ;;
			esac
		done
	done
	for l in "$tpg"/lun/lun_*; do
		[ -d "$l" ] || continue
		[ "$l" != "$tpg/lun/lun_$lun" ] || continue
		[ "$(value "$tpg/attrib/authentication")" = "$chap" ] ||
			fail 3 "group $group of $target has other LUNs, and CHAP is $(value "$tpg/attrib/authentication") there, not $chap"
		[ "$(value "$tpg/attrib/generate_node_acls")" = 0 ] || fail 3 "group $group of $target lets every initiator in"
		[ "$(value "$tpg/enable")" = 1 ] || fail 3 "group $group of $target is closed, and has other LUNs, which would be open with this one"
	done
}

# digits of a serial number that go into the NAA; zeros stand for those that are missing.
digits() { printf '%s%025d\n' "$(printf '%s' "$1" | tr -cd '0-9a-fA-F' | tr A-F a-f)" 0 | cut -c1-25; }

make_store() {
	store=$(backstore)
	if [ -n "$store" ] && [ -n "$(differs "$store")" ]; then
		drop_store "$store"
		store=
	fi
	if [ -z "$store" ]; then
		n=0
		while [ -e "$root/core/iblock_$n" ]; do n=$((n + 1)); done
		mkdir "$root/core/iblock_$n" || fail 1 'LIO makes no backstore'
		store=$root/core/iblock_$n/$name
		if ! { mkdir "$store" && printf 'udev_path=%s,readonly=%s\n' "$device" "$readonly" >"$store/control" &&
			printf '%s\n' "$device" >"$store/udev_path" && echo 1 >"$store/enable"; } 2>/dev/null; then
			rmdir "$store" "$root/core/iblock_$n" 2>/dev/null
			fail 1 "LIO does not take $device: is it in use?"
		fi
		say "backstore $name on $device"
	fi
	put "$serial" "$store/wwn/vpd_unit_serial" "serial number $serial"
	[ "$(company "$store/wwn/company_id")" = "$((company))" ] || put "$company" "$store/wwn/company_id" "company id $company"
	put "$vendor" "$store/wwn/vendor_id" "vendor $vendor"
	put "$product" "$store/wwn/product_id" "product $product"
	[ -z "$revision" ] || put "$revision" "$store/wwn/revision" "revision $revision"
	[ -z "$block" ] || put "$block" "$store/attrib/block_size" "blocks of $block bytes"
	[ -z "$caw" ] || put "$caw" "$store/attrib/emulate_caw" "compare and write $caw"
	[ -z "$xcopy" ] || put "$xcopy" "$store/attrib/emulate_3pc" "extended copy $xcopy"
	why=$(differs "$store")
	[ -z "$why" ] || fail 1 "it does not become what it is to be: ${why%; }"
}

make_group() {
	[ -d "$root/iscsi/$target" ] || { mkdir "$root/iscsi/$target" && say "target $target"; } || fail 1 "LIO makes no target $target"
	[ -d "$tpg" ] || { mkdir "$tpg" && say "portal group $group"; } || fail 1 "LIO makes no portal group $group"
	put 0 "$tpg/attrib/generate_node_acls" 'initiators that are not listed are refused'
	put "$chap" "$tpg/attrib/authentication" "CHAP $chap"
	if [ ! -d "$tpg/lun/lun_$lun" ]; then
		mkdir "$tpg/lun/lun_$lun" || fail 1 "LIO makes no LUN $lun"
	fi
	if [ -z "$(mapped_store "$tpg/lun/lun_$lun")" ]; then
		ln -s "$store" "$tpg/lun/lun_$lun/nightshift" || fail 1 "LUN $lun does not take the backstore"
		say "LUN $lun in $target, group $group"
	fi
	set -f
	for p in $portals; do
		[ -d "$tpg/np/$p" ] || { mkdir "$tpg/np/$p" && say "portal $p"; } || fail 1 "no portal at $p: is it an address of this host?"
	done
	set +f
}

mapped_store() {
	for l in "$1"/*; do
		[ ! -L "$l" ] || readlink "$l"
	done
}

# grants FILE gives the initiators in it their way, each complete before the next; then it is taken from all others.
grants() {
	granted=' '
	initiator=
	while IFS= read -r line; do
		rest=${line#* }
		case $line in
		'grant '*)
			finish_grant
			initiator=$rest write_protect=$readonly user='' secret='' mutual_user='' mutual_secret=''
			;;
		'grant-readonly '*) write_protect=$rest ;;
		'user '*) user=$rest ;;
		'secret '*) secret=$rest ;;
		'mutual-user '*) mutual_user=$rest ;;
		'mutual-secret '*) mutual_secret=$rest ;;
		esac
	done <"$1"
	finish_grant
	mapped "$tpg/lun/lun_$lun" | while IFS= read -r m; do
		i=${m%/*}
		i=${i##*/}
		case $granted in
		*" $i "*) [ "${m##*/}" = "lun_$lun" ] || unmap "$m" ;;
		*) unmap "$m" ;;
		esac
	done || exit 1
}

# finish_grant: CHAP is set before there is anything to see.
finish_grant() {
	[ -n "$initiator" ] || return 0
	granted="$granted$initiator "
	acl=$tpg/acls/$initiator
	[ -d "$acl" ] || { mkdir "$acl" && say "initiator $initiator"; } || fail 1 "LIO does not take the initiator $initiator"
	# An ACL may say otherwise than its group whether CHAP is wanted (Linux 6.1 and later; -1: as the group).
	[ ! -e "$acl/attrib/authentication" ] || put -1 "$acl/attrib/authentication" "CHAP for $initiator as for its group"
	credential "$user" "$acl/auth/userid" "the CHAP user of $initiator"
	credential "$secret" "$acl/auth/password" "the CHAP secret of $initiator"
	credential "$mutual_user" "$acl/auth/userid_mutual" "the target's CHAP user for $initiator"
	credential "$mutual_secret" "$acl/auth/password_mutual" "the target's CHAP secret for $initiator"
	m=$acl/lun_$lun
	if [ ! -d "$m" ]; then
		mkdir "$m" || fail 1 "LIO makes no LUN $lun for $initiator"
	fi
	if [ -z "$(mapped_store "$m")" ]; then
		ln -s "$tpg/lun/lun_$lun" "$m/nightshift" || fail 1 "$initiator does not get LUN $lun"
		say "LUN $lun for $initiator"
	fi
	put "$write_protect" "$m/write_protect" "write protection $write_protect for $initiator"
	initiator=
}

# credential VALUE FILE TITLE writes a part of CHAP, or that there is none; it is never printed, and printf is the shell's own.
credential() {
	_old=$(value "$2")
	[ "$_old" != NULL ] || _old=
	[ "$_old" != "$1" ] || return 0
	printf '%s' "${1:-NULL}" >"$2" 2>/dev/null || fail 1 "the kernel refuses $3"
	say "$3"
}

unmap() {
	i=${1%/*}
	rm -f "$1"/nightshift
	for l in "$1"/*; do
		[ ! -L "$l" ] || rm -f "$l"
	done
	rmdir "$1" || fail 1 "LUN ${1##*/lun_} stays with ${i##*/}"
	say "LUN ${1##*/lun_} is taken from ${i##*/}"
}

drop_store() {
	rmdir "$1" || fail 1 "the backstore ${1##*/} stays"
	rmdir "${1%/*}" 2>/dev/null # others may be in it
	say "backstore ${1##*/} is gone"
}

# withdraw takes a backstore from all portal groups, and removes groups and targets that are empty then.
withdraw() {
	store=$(backstore)
	[ -n "$store" ] || return 0
	for lun_dir in $(luns "$store"); do
		for m in $(mapped "$lun_dir"); do unmap "$m"; done
		for l in "$lun_dir"/*; do
			[ ! -L "$l" ] || rm -f "$l"
		done
		rmdir "$lun_dir" || fail 1 "LUN ${lun_dir##*/lun_} stays"
		t=${lun_dir%/lun/*}
		say "LUN ${lun_dir##*/lun_} is gone from ${t#"$root"/iscsi/}"
		empty_group "$t"
	done
	drop_store "$store"
}

empty_group() {
	for l in "$1"/lun/lun_*; do
		[ ! -d "$l" ] || return 0
	done
	echo 0 >"$1/enable"
	for d in "$1"/acls/* "$1"/np/*; do
		[ ! -d "$d" ] || rmdir "$d" || fail 1 "$d stays"
	done
	rmdir "$1" || fail 1 "$1 stays"
	rmdir "${1%/*}" 2>/dev/null # other groups may be in it
	say "${1#"$root"/iscsi/} had no other LUN and is gone"
}

# forget takes a backstore out of what LIO's own tools would put back at boot. It holds CHAP secrets: it stays where it is, mode 600.
forget() {
	for f in $saveconfigs; do
		[ -f "$f" ] || continue
		grep -q "\"name\": \"$name\"" "$f" || continue
		# -I: nothing is imported from where this was started
		python3 -I - "$f" "$name" <<'PYTHON' || fail 1 "$f names $name, and it cannot be taken out: at the next boot it would be there a second time"
import json, os, sys

path, name = sys.argv[1:]
with open(path) as f:
    config = json.load(f)
store = "/backstores/block/" + name
before = json.dumps(config)
config["storage_objects"] = [s for s in config.get("storage_objects", []) if (s.get("plugin"), s.get("name")) != ("block", name)]
targets = []
for target in config.get("targets", []):
    groups = []
    had = target.get("tpgs", [])
    for group in had:
        luns = group.get("luns", [])
        gone = {lun["index"] for lun in luns if lun.get("storage_object") == store}
        group["luns"] = [lun for lun in luns if lun["index"] not in gone]
        for acl in group.get("node_acls", []):
            acl["mapped_luns"] = [m for m in acl.get("mapped_luns", []) if m.get("tpg_lun") not in gone]
        if group["luns"] or not gone:
            groups.append(group)
    target["tpgs"] = groups
    if groups or not had:
        targets.append(target)
config["targets"] = targets
if json.dumps(config) != before:
    new = path + ".nightshift"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as f:
        json.dump(config, f, sort_keys=True, indent=2)
        f.write("\n")
        f.flush()
        os.fsync(f.fileno())
    os.rename(new, path)
    print(path + " does not name it any more")
PYTHON
	done
}

# apply FILE makes it so.
apply() {
	obstacles
	make_store
	make_group
	grants "$1"
	put 1 "$tpg/enable" "$target, group $group, is open to its initiators"
}

# ---- verbs

publish() {
	{ mkdir -p "$state" && chmod 755 "$state"; } || fail 1 "$state cannot be made" # its names are no secret, its files are
	spec=$(cat) # before the lock: it may take its time on the way
	lock
	rm -f "$state"/.[!.]* # of one that was killed: there are secrets in it; names do not begin with a dot
	new=$state/.new
	trap 'rm -f "$new"' EXIT
	printf '%s\n' "$spec" >"$new" || fail 1 "$new cannot be written"
	load "$new"
	ready
	apply "$new"
	sync "$new"
	if [ ! -e "$state/$want.lu" ] || ! cmp -s "$new" "$state/$want.lu"; then
		mv "$new" "$state/$want.lu" || fail 1 "$state/$want.lu cannot be written"
		sync "$state"
		say 'it comes back at boot'
	fi
	forget
}

unpublish() {
	name=$want
	lock
	store=$(backstore)
	if [ -n "$store" ]; then
		for lun_dir in $(luns "$store"); do
			who=$(busy "$lun_dir")
			[ -z "$who" ] || [ "$1" = sessions ] || fail 4 "initiators are logged in: $(printf '%s' "$who" | tr '\n' ' ')"
		done
	fi
	# What comes back at boot goes first: whatever happens now, it does not come back by itself.
	if [ -e "$state/$want.lu" ]; then
		rm "$state/$want.lu" || fail 1 "$state/$want.lu stays"
		sync "$state"
		say 'it does not come back at boot'
	fi
	forget
	withdraw
}

# boot goes on where one of them fails, so that the others are there. It holds nobody up while it waits for a device.
boot() {
	failed=0
	for f in "$state"/*.lu; do
		[ -e "$f" ] || continue
		want=${f##*/}
		want=${want%.lu}
		(
			load "$f"
			n=0
			while [ ! -b "$device" ] && [ "$n" -lt 120 ]; do # pools may come late
				sleep 1
				n=$((n + 1))
			done
			lock
			[ -e "$f" ] || exit 0 # unpublished meanwhile
			load "$f"
			ready
			store=$(backstore)
			# targetcli's saved configuration may have put it back under another identity.
			[ -z "$store" ] || [ -z "$(differs "$store")" ] || withdraw
			apply "$f"
		) || failed=1
	done
	return $failed
}

want=${2:-}
case $#:$want in
[01]:) ;;
?: | *:*[!A-Za-z0-9_.-]* | *:.*) fail 2 "${want:-nothing} is no name" ;;
esac
case $1:$# in
publish:2) publish ;;
unpublish:2) unpublish no ;;
unpublish:3) unpublish "$3" ;;
boot:1) boot ;;
version:1) say "nightshift-lio $version" ;;
*) fail 2 'usage: nightshift-lio publish NAME | unpublish NAME [sessions] | boot | version' ;;
esac
