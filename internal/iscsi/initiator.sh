# Prints what this Linux machine, as an initiator, has read of the logical units of its sessions, for parseInitiator. It changes nothing
# and needs no rights. Arguments: sysfs' SCSI disks; a target's IQN, or empty for all disks.
# Lines: D<host:channel:target:lun> TAB <block device> TAB <IQN>, then for each answer its name TAB hexadecimal bytes, and N<name> TAB <number>.
LC_ALL=C
export LC_ALL
echo 'nightshift-initiator 1'
for d in "$1"/*; do
	[ -d "$d/device" ] || continue
	device=$(readlink -f "$d/device")
	target=
	case $device in
	*/session*/*)
		session=${device%%/target[0-9]*}
		for n in "$session"/iscsi_session/*/targetname; do
			[ ! -r "$n" ] || target=$(cat "$n")
		done
		;;
	esac
	[ -z "$2" ] || [ "$2" = "$target" ] || continue
	block=
	for b in "$d"/device/block/*; do
		[ ! -d "$b" ] || block=${b##*/}
	done
	printf 'D%s\t%s\t%s\n' "${d##*/}" "$block" "$target"
	for page in inquiry vpd_pg80 vpd_pg83 vpd_pgb0; do
		[ ! -r "$d/device/$page" ] || printf '%s\t%s\n' "$page" "$(od -An -v -tx1 "$d/device/$page" | tr -d ' \n')"
	done
	[ -n "$block" ] || continue
	printf 'Nsectors\t%s\n' "$(cat "$d/device/block/$block/size")"
	printf 'Nlogical\t%s\n' "$(cat "$d/device/block/$block/queue/logical_block_size")"
	printf 'Nphysical\t%s\n' "$(cat "$d/device/block/$block/queue/physical_block_size")"
	printf 'Ccache\t%s\n' "$(cat "$d/cache_type" 2>/dev/null)"
done
echo end
