#!/bin/bash
# source.sh POOL MBR LVM VHSF: what the demo is about, made once, as root of ss1: the volumes of the group mail, of which the first is a real
# VMFS3 (three dumps, as in internal/vmfs/testdata), and the group files, with a recovery point for each six hours of ten days, the newest two
# for the source alone. It prints the newest one that both sides are to have.
set -eu
pool=$1 mbr=$2 lvm=$3 vhsf=$4
made=lab:files # a property of the pool: all of it is there

# dump DEVICE BYTE TEXT: writes the lines of `hexdump -C`, moved by so many bytes. Repeated lines are zeros, which a new volume has.
dump() { perl -ne 'BEGIN { $by = shift }
	if (/^([0-9a-f]{8})  ([0-9a-f ]+)$/) { ($at, $hex) = ($1, $2); $hex =~ tr/ //d; seek(STDOUT, $by + hex $at, 0) && print(pack("H*", $hex)) or die "$!\n" }
	END { close(STDOUT) or die "$!\n" }' "$2" <<<"$3" 1<>"$1"; }

# volume NAME SIZE: a thin one, whose device is there.
volume() {
	zfs create -s -V "$2" "$pool/$1"
	until [ -b "/dev/zvol/$pool/$1" ]; do udevadm settle; done
}

# fill NAME SEEK COUNT, in MiB
fill() {
	for _ in {1..100}; do # under load, ZFS's open may say error 512
		! dd if=/dev/urandom of="/dev/zvol/$pool/$1" bs=1M seek="$2" count="$3" conv=notrunc,fsync status=none || return 0
	done
	return 1
}

# point N: the name of the one that is so many before the next.
point() { echo "nightshift_files_$(date -u -d "@$((now - $1 * 6 * 3600))" +%Y-%m-%dT%H:00:00Z)"; }

newest=$(zfs get -H -o value "$made" "$pool")
if [ "$newest" = - ]; then
	for d in mail mail-log files; do
		if zfs list "$pool/$d" >/dev/null 2>&1; then zfs destroy -R "$pool/$d"; fi # begun by one that was killed
	done
	volume mail 750G # as the partition in the master boot record wants it
	fill mail 64 24
	partition=$((128 * 512))
	dump "/dev/zvol/$pool/mail" 0 "$mbr"
	dump "/dev/zvol/$pool/mail" 0 '000001f0  00 00 00 00 00 00 00 00 00 00 00 00 00 00 55 aa' # the dump ends before it
	dump "/dev/zvol/$pool/mail" "$partition" "$lvm"
	dump "/dev/zvol/$pool/mail" $((partition + 0x1100000)) "$vhsf"
	blockdev --flushbufs "/dev/zvol/$pool/mail"
	volume mail-log 16M
	fill mail-log 0 6
	volume files 32M
	fill files 0 2
	now=$(date +%s)
	for ((ago = 40; ago > 2; ago--)); do zfs snapshot "$pool/files@$(point "$ago")"; done
	newest=$(point 3)
	zfs hold nightshift:files "$pool/files@$newest"
	zfs bookmark "$pool/files@$newest" "$pool/files#$newest"
	zfs hold audit "$pool/files@$(point 20)"
	zfs clone "$pool/files@$(point 27)" "$pool/files-copy"
	zfs snapshot "$pool/files@before-the-upgrade"
	for ago in 2 1; do zfs snapshot "$pool/files@$(point "$ago")"; done
	zfs set "$made=$newest" "$pool"
fi
echo "$newest"
