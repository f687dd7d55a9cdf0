#!/bin/sh
# nightshift: puts the partition table of a zvol back. Installed by `nightshift lab prepare-storage` where the lab file says
# restorePartitions: true; the service account may run it as root.
#
#	nightshift-write-table DATASET WAS IS SKIP:COUNT...     the new sectors on standard input, in the order of the ranges
#
# Each range is COUNT sectors of 512 bytes, SKIP sectors from the beginning, in the first 34 or the last 33 sectors of the zvol: where
# partition tables are. WAS is the SHA-256 of what lies there now, one range after the other, IS that of what is to lie there. It
# writes only where both are right, and while no initiator is logged in that may use the zvol.
#
# Exit status: 0 done, or already so; 2 not understood; 3 something else lies there; 4 it is in use. With 2, 3 and 4 nothing was
# written. 1: it failed; what lies there has to be read.
PATH=/usr/sbin:/sbin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
set -f
target=/sys/kernel/config/target
block=/sys/class/block
zvols=/dev/zvol

fail() {
	status=$1
	shift
	echo "nightshift-write-table: $*" >&2
	exit "$status"
}

if [ $# -lt 4 ] || [ $# -gt 9 ]; then
	fail 2 'nightshift-write-table DATASET WAS IS SKIP:COUNT...'
fi
dataset=$1 was=$2 is=$3
shift 3
case /$dataset/ in
*[!A-Za-z0-9_./:-]* | *//* | */../* | */./*) fail 2 'this is no zvol' ;;
esac
for sum in "$was" "$is"; do
	case $sum in
	*[!0-9a-f]*) fail 2 'WAS and IS are SHA-256 sums' ;;
	esac
	[ ${#sum} = 64 ] || fail 2 'WAS and IS are SHA-256 sums'
done
[ -b "$zvols/$dataset" ] || fail 2 "$dataset is no zvol that is shown under /dev/zvol"
device=$(readlink -f -- "$zvols/$dataset") || fail 1 'its device cannot be found'
sectors=$(cat "$block/${device##*/}/size") || fail 1 'its size cannot be read'

total=0
for range; do
	case $range in
	*:*) ;;
	*) fail 2 "$range is no SKIP:COUNT" ;;
	esac
	skip=${range%:*} count=${range#*:}
	for number in "$skip" "$count"; do
		case $number in
		'' | 0?* | *[!0-9]* | ????????????????*) fail 2 "$range is no SKIP:COUNT" ;;
		esac
	done
	end=$((skip + count))
	if [ "$count" -lt 1 ] || [ "$end" -gt "$sectors" ]; then
		fail 2 "$range is not on the device, which has $sectors sectors"
	fi
	[ "$end" -le 34 ] || [ "$skip" -ge $((sectors - 33)) ] || fail 2 "$range is not where partition tables are"
	total=$((total + count))
done

# ---- the new sectors, before anything is looked at: they may take their time on the way

new=$(mktemp) || fail 1 'no temporary file'
trap 'rm -f "$new"' EXIT
head -c $((total * 512 + 1)) >"$new" || fail 1 'the new sectors could not be taken'

# One at a time, and not while udev reads the device (systemd, "Locking Block Device Access").
exec 9<"$device"
flock -w 10 9 || fail 4 'another program has it locked'

# ---- who has it open

# leads DIRECTORY LINK tells whether it is a link that leads to the directory, which is below $target.
leads() {
	[ -L "$2" ] || return 1
	case $(readlink "$2") in
	*"${1#"$target"}") return 0 ;;
	esac
	return 1
}

# users prints who may be using the device. What cannot be read counts as in use.
users() {
	set +f
	for holder in "$block/${device##*/}"/holders/*; do
		[ ! -e "$holder" ] || echo "the device ${holder##*/}"
	done
	for path in "$target"/core/*/*/udev_path; do
		[ -e "$path" ] || continue
		of=$(cat "$path") || echo "${path%/udev_path}"
		store=${path%/udev_path}
		# A zvol that was renamed stays open under its old name.
		[ "$(readlink -f -- "$of")" = "$device" ] || grep -q "iBlock device: ${device##*/} " "$store/info" || continue
		for link in "$target"/*/*/*/lun/lun_*/* "$target"/*/*/lun/lun_*/*; do
			leads "$store" "$link" || continue
			lun=${link%/*} group=${link%/lun/lun_*}
			case $group in
			"$target"/iscsi/*) ;;
			*) echo "$group" ;;
			esac
			cat "$group/dynamic_sessions" 2>/dev/null || echo "$group"
			for map in "$group"/acls/*/lun_*/*; do
				leads "$lun" "$map" || continue
				acl=${map%/lun_*/*}
				case $(cat "$acl/info") in
				'No active iSCSI Session'*) ;;
				*) echo "${acl##*/}" ;;
				esac
			done
		done
	done
	set -f
}
busy=$(users)
[ -z "$busy" ] || fail 4 "it is in use: $(printf '%s' "$busy" | sort -u | tr '\n' ' ')"

# ---- what lies there

# A target writes past the page cache, which Linux keeps as long as the target has the zvol open: what lies there is on the device.
there() {
	blockdev --flushbufs "$device" || exit 1
	for range; do
		dd if="$device" bs=512 skip="${range%:*}" count="${range#*:}" status=none || exit 1
	done
}
sum() { sha256sum | cut -d ' ' -f 1; }

now=$(there "$@" | sum)
[ "$now" != "$is" ] || exit 0
[ "$now" = "$was" ] || fail 3 'something else lies there than was read before'
[ "$(sum <"$new")" = "$is" ] || fail 2 'the new sectors came with another SHA-256'

at=0
for range; do
	dd if="$new" of="$device" bs=512 skip="$at" seek="${range%:*}" count="${range#*:}" conv=notrunc,nocreat,fsync status=none ||
		fail 1 "sectors $range could not be written"
	at=$((at + ${range#*:}))
done
[ "$(there "$@" | sum)" = "$is" ] || fail 1 'something else lies there than was written'
