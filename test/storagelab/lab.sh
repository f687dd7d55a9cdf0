#!/usr/bin/env bash
# The storage lab: two QEMU machines, ss1 (source) and ss2 (DR), with OpenZFS, LIO, open-iscsi and OpenSSH.
#
#   lab.sh up [--prepared]      builds the image where there is none, boots both machines, waits for SSH, writes run/lab.env;
#                               --prepared: with pools, volumes and a LUN to try nightshift on, and run/lab.yaml, its lab file
#   lab.sh copy other|same      shows a clone of the replica of tank/mail at ss2: as another LUN than tank/mail is, or as the same
#   lab.sh status               what is up, and how to reach it; exit status 3 where not all of it is
#   lab.sh down                 ends both machines and removes their disks and keys; images stay
#   lab.sh check                whether this machine can have it, installing nothing; says why not
#   lab.sh ssh [USER@]HOST CMD  a command on a machine, as root where no user is named
#
# Each time that it comes up the lab is new: disks, keys, pools. What a machine keeps over a crash or a reboot it keeps
# while the lab is up (Machine.Crash and Boot of the Go package here).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./common.sh
umask 022

# NIGHTSHIFT_STORAGE_LAB_ACCEL=kvm: where nested or real KVM is known to work. Emulation works everywhere.
ACCEL=${NIGHTSHIFT_STORAGE_LAB_ACCEL:-tcg}
MEMORY_MIB=1536
CODE_MIB=1024 # what an emulator keeps of translated code: with 256 it throws all of it away every few minutes, and begins again
# Disks: for a person's pool, and for the pools of tests, each for one test at a time. Sparse.
SLOTS=6
DISKS=(standing)
for ((i = 1; i <= SLOTS; i++)); do DISKS+=("slot$i"); done
DISK_MIB=2048
# The root overlays and what tests write.
NEEDED_MIB=3000
# How long a boot may take, in seconds: half a minute on an idle machine.
PATIENCE=600

pid_of() { # pid_of HOST: of its QEMU, where that runs: another process may have the number by now.
	local pid
	pid=$(cat "$RUN/$1.pid" 2>/dev/null) || return
	grep -qaF "$RUN/$1.qmp" "/proc/$pid/cmdline" 2>/dev/null || return
	echo "$pid"
}

qmp() { # qmp HOST COMMAND: a line of QEMU's monitor, and its answer
	printf '%s\n' '{"execute":"qmp_capabilities"}' \
		"{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"$2\"}}" |
		socat -t 2 - "UNIX-CONNECT:$RUN/$1.qmp"
}

# port_of HOST: the port of loopback that QEMU was given for its SSH.
port_of() { qmp "$1" 'info usernet' | grep -o 'HOST_FORWARD[^\\]*' | awk '$6 == 22 { print $4; exit }'; }

remote() { # remote [USER@]HOST COMMAND...
	local user=root host=$1 port
	case $host in *@*) user=${host%@*} host=${host#*@} ;; esac
	port=$(cat "$RUN/$host.port")
	shift
	ssh -F none -i "$RUN/keys/$user" -o IdentitiesOnly=yes -o UserKnownHostsFile="$RUN/known_hosts" -o HostKeyAlias="$host" \
		-o StrictHostKeyChecking=yes -o LogLevel=ERROR -o ConnectTimeout=10 -o ServerAliveInterval=15 -o BatchMode=yes \
		-p "$port" "$user@127.0.0.1" -- "$@"
}

make_keys() {
	local key host
	mkdir -m 700 "$RUN/keys"
	for key in root zfsadm ss1 ss2 ss1-zfsadm ss2-zfsadm; do
		ssh-keygen -q -t ed25519 -N '' -C "$key@storage-lab" -f "$RUN/keys/$key"
	done
	for host in "${MACHINES[@]}"; do
		echo "$host $(cut -d ' ' -f 1,2 "$RUN/keys/$host.pub")"
	done >"$RUN/known_hosts"
}

# personality HOST: its own disk, a tar archive: name, keys, addresses.
personality() {
	local host=$1 n=${1#ss} other=ss$((3 - ${1#ss})) dir=$RUN/$1.personality
	mkdir -p "$dir"/etc/{ssh,iscsi,storagelab/trust} "$dir"/{root,home/zfsadm}/.ssh
	echo "$host" >"$dir/etc/hostname"
	printf '%s\n' '127.0.0.1 localhost' '10.99.0.1 ss1' '10.99.0.2 ss2' >"$dir/etc/hosts"
	printf '%s\n' "52:54:00:00:01:0$n 10.0.2.15/24" "52:54:00:00:02:0$n 10.99.0.$n/24" >"$dir/etc/storagelab/addresses"
	# Pools belong to the host whose id they carry: no two hosts may have one.
	printf '%b' "\\x0$n\\x00\\xcd\\xab" >"$dir/etc/hostid"
	echo "InitiatorName=$(initiator "$host")" >"$dir/etc/iscsi/initiatorname.iscsi"
	install -m 600 "$RUN/keys/$host" "$dir/etc/ssh/ssh_host_ed25519_key"
	install -m 600 "$RUN/keys/root.pub" "$dir/root/.ssh/authorized_keys"
	install -m 600 "$RUN/keys/zfsadm.pub" "$dir/home/zfsadm/.ssh/authorized_keys"
	# What `prepare` in the machine puts into place.
	install -m 600 "$RUN/keys/$host-zfsadm" "$dir/etc/storagelab/trust/id_ed25519"
	cp "$RUN/keys/$other-zfsadm.pub" "$dir/etc/storagelab/trust/authorized_keys"
	sed 's/^ss\([12]\)/10.99.0.\1,ss\1/' "$RUN/known_hosts" >"$dir/etc/storagelab/trust/known_hosts"
	chmod 700 "$dir"/{root,home/zfsadm}/.ssh "$dir/root" "$dir/etc/storagelab/trust"
	tar -C "$dir" -cf "$RUN/$host.tar" etc root home
	rm -rf "$dir"
}

initiator() { echo "iqn.2026-01.lab.$1:initiator"; }

# start HOST: management by a network of its own that leads nowhere but to its SSH; the private network is a cable of
# datagrams between the two, which outlives either of them. An emulator keeps translated code by its address: with norandmaps
# programs and libraries are where they were the last time, and a login is three times as fast.
start() {
	local host=$1 n=${1#ss} other=ss$((3 - ${1#ss})) disk disks=() cpu=Nehalem accel=tcg,thread=multi,tb-size=$CODE_MIB
	if [ "$ACCEL" = kvm ]; then cpu=host accel=kvm; fi
	qemu-img create -q -f qcow2 -F raw -b "$IMAGE/root.raw" "$RUN/$host.root"
	for disk in "${DISKS[@]}"; do
		truncate -s "${DISK_MIB}M" "$RUN/$host.$disk"
		disks+=(-drive "if=none,id=$disk,file=$RUN/$host.$disk,format=raw,cache=unsafe,discard=unmap"
			-device "virtio-blk-pci,drive=$disk,serial=$disk")
	done
	qemu-system-x86_64 -name "$host" -M q35 -accel "$accel" -cpu "$cpu" -smp 1 -m "$MEMORY_MIB" -nodefaults -display none \
		-serial "file:$RUN/$host.console" -qmp "unix:$RUN/$host.qmp,server,nowait" -pidfile "$RUN/$host.pid" -daemonize \
		-kernel "$IMAGE/vmlinuz" -append "root=/dev/nvme0n1 rw console=ttyS0 quiet loglevel=4 mitigations=off audit=0 apparmor=0 norandmaps net.ifnames=0 panic=5 systemd.default_device_timeout_sec=900" \
		-drive "if=none,id=root,file=$RUN/$host.root,format=qcow2,cache=unsafe" -device nvme,drive=root,serial=root \
		-drive "if=none,id=who,file=$RUN/$host.tar,format=raw,read-only=on" -device virtio-blk-pci,drive=who,serial=personality \
		"${disks[@]}" \
		-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng \
		-netdev user,id=mgmt,restrict=on,hostfwd=tcp:127.0.0.1:0-:22 -device "virtio-net-pci,netdev=mgmt,mac=52:54:00:00:01:0$n,romfile=" \
		-netdev "dgram,id=private,local.type=unix,local.path=$RUN/$host.net,remote.type=unix,remote.path=$RUN/$other.net" \
		-device "virtio-net-pci,netdev=private,mac=52:54:00:00:02:0$n,romfile=" 9>&-
	port_of "$host" >"$RUN/$host.port"
	[ -s "$RUN/$host.port" ] || die "QEMU does not tell the port of $host's SSH: $(qmp "$host" 'info usernet')"
}

wait_for() { # wait_for HOST: until it has come up and answers to its name
	local host=$1 end=$((SECONDS + PATIENCE)) next=$((SECONDS + 30))
	until [ "$(remote "$host" 'systemctl is-system-running --wait >/dev/null 2>&1; hostname' 2>/dev/null)" = "$host" ]; do
		[ -n "$(pid_of "$host")" ] || die "$host has died; its console ends so:" "$(tail -n 20 "$RUN/$host.console")"
		[ "$SECONDS" -lt "$end" ] || die "$host does not answer after $PATIENCE s; its console ends so:" "$(tail -n 20 "$RUN/$host.console")"
		if [ "$SECONDS" -ge "$next" ]; then
			say "waiting for $host"
			next=$((SECONDS + 30))
		fi
		sleep 1
	done
	say "$host is up: 127.0.0.1:$(cat "$RUN/$host.port")"
}

# fingerprint HOST: of its key, as SHA256:...
fingerprint() { ssh-keygen -lf "$RUN/keys/$1.pub" | cut -d ' ' -f 2; }

# write_env: what tests read, and what a shell can source. Last of all: with it the lab is up.
write_env() {
	local host name
	{
		printf '%s=%s\n' STORAGELAB_RUN "$RUN" STORAGELAB_KNOWN_HOSTS "$RUN/known_hosts" STORAGELAB_SLOTS "$SLOTS" \
			STORAGELAB_KEY_root "$RUN/keys/root" STORAGELAB_KEY_zfsadm "$RUN/keys/zfsadm"
		for host in "${MACHINES[@]}"; do
			name=STORAGELAB_$host
			printf '%s=%s\n' "${name}_ADDRESS" "127.0.0.1:$(cat "$RUN/$host.port")" "${name}_HOSTKEY" "$(fingerprint "$host")" \
				"${name}_PRIVATE" "10.99.0.${host#ss}" "${name}_INITIATOR" "$(initiator "$host")" "${name}_QMP" "$RUN/$host.qmp"
		done
	} >"$RUN/lab.env.new"
	mv "$RUN/lab.env.new" "$RUN/lab.env"
}

# check: whether this machine can have the lab; packages may be missing where root can install them.
check() {
	local free need
	[ "$(uname -s)" = Linux ] || die "the storage lab runs on Linux: its private network is made of unix datagram sockets"
	[ -s "$LAB/image/root.raw" ] || can_build
	need_space "$LAB" "$NEEDED_MIB" "running the storage lab"
	free=$(awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	need=$((2 * MEMORY_MIB))
	if [ "$ACCEL" = tcg ]; then need=$((need + 2 * CODE_MIB)); fi
	[ "$free" -ge "$need" ] || die "the storage lab needs $need MiB of memory; $free are available"
	# What a unix socket's path may have, with the longest of our names.
	[ $((${#RUN} + 9)) -lt 108 ] || die "the path $RUN is too long for sockets: NIGHTSHIFT_STORAGE_LAB=DIR of a shorter one"
}

up() {
	local host
	if [ -n "$(pid_of ss1)" ] && [ -n "$(pid_of ss2)" ] && [ -e "$RUN/lab.env" ]; then
		say "up already"
		return
	fi
	down
	check
	need qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils socat:socat ssh:openssh-client
	./image.sh 9>&-
	IMAGE=$LAB/$(readlink "$LAB/image")
	mkdir -p "$RUN"
	readlink "$LAB/image" >"$RUN/image"
	make_keys
	for host in "${MACHINES[@]}"; do
		personality "$host"
		start "$host"
	done
	say "booting ss1 and ss2"
	for host in "${MACHINES[@]}"; do wait_for "$host"; done
	write_env
}

down() {
	local host pid
	for host in "${MACHINES[@]}"; do
		pid=$(pid_of "$host") || continue
		kill -KILL "$pid"
		while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
		say "$host is down"
	done
	rm -rf "$RUN"
}

status() {
	local host pid all=0
	for host in "${MACHINES[@]}"; do
		if ! pid=$(pid_of "$host"); then
			echo "$host: not running"
			all=3
		elif ! timeout 60 ./lab.sh ssh "$host" 'true' 2>/dev/null; then
			echo "$host: running (pid $pid), does not answer at 127.0.0.1:$(cat "$RUN/$host.port"); console: $RUN/$host.console"
			all=3
		else
			echo "$host: up (pid $pid, $(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status") MiB), SSH at 127.0.0.1:$(cat "$RUN/$host.port")"
		fi
	done
	[ ! -s "$LAB/image/versions" ] || echo "image: $(grep -E '^(linux-image|zfs-dkms|targetcli-fb|open-iscsi) ?' "$LAB/image/versions" | tr '\n' ';')"
	[ ! -e "$RUN/lab.env" ] || echo "addresses and keys: $RUN/lab.env; a shell: $PWD/lab.sh ssh ss1"
	return "$all"
}

# script HOST FILE ARG...: runs a script of demo/ there, as root.
script() {
	local host=$1 file=$2
	shift 2
	remote "$host" "bash -c $(printf '%q' "$(cat "demo/$file")") $file $(printf '%q ' "$@")"
}

# What the LUN of tank/mail has of its NAA for itself. It is not that of the dumps, which tests use: no host shows an NAA twice.
DIGITS=07ed4040000001ab0ab0d0003
# dump FILE: a dump of a real volume, whose LUN was this one.
dump() { sed 's/49 6f f8 cd 00 03/1a b0 ab 0d 00 03/' "../../internal/vmfs/testdata/$1"; }

# nightshift is NIGHTSHIFT, or what is here.
nightshift() { if [ -n "${NIGHTSHIFT:-}" ]; then "$NIGHTSHIFT" "$@"; else go run ../../starter "$@"; fi; }

# lab_file writes run/lab.yaml.
lab_file() {
	sed -e "s|@account@|zfsadm|; s|@key@|$RUN/keys/zfsadm|; s|@tank@|tank|g; s|@backup@|backup|" \
		-e "s|@ss1@|127.0.0.1:$(cat "$RUN/ss1.port")|; s|@ss2@|127.0.0.1:$(cat "$RUN/ss2.port")|" \
		-e "s|@ss1key@|$(sed -n 's/^ss1 //p' "$RUN/known_hosts")|; s|@ss2key@|$(sed -n 's/^ss2 //p' "$RUN/known_hosts")|" \
		demo/lab.yaml >"$RUN/lab.yaml.new"
	mv "$RUN/lab.yaml.new" "$RUN/lab.yaml"
}

# prepare makes what people try nightshift on, as far as it is not there: after tests, which take accounts and rights back, it is to be done again.
prepare() {
	local newest
	say "pools and volumes: tank on ss1, backup on ss2"
	remote ss1 'zpool list tank >/dev/null 2>&1 || zpool create -O compression=lz4 -O mountpoint=none tank /dev/disk/by-id/virtio-standing'
	remote ss2 'zpool list backup >/dev/null 2>&1 || zpool create -O compression=lz4 -O mountpoint=none backup /dev/disk/by-id/virtio-standing'
	remote ss2 'zfs list backup/ss1 >/dev/null 2>&1 || zfs create -o canmount=off backup/ss1'
	newest=$(script ss1 source.sh tank "$(dump mbr.hex)" "$(dump vmfs3-lvm.hex)" "$(dump vmfs3-vh.sf.hex)")
	if ! remote ss2 "zfs holds -H backup/ss1/files@$newest 2>/dev/null | grep -q nightshift:files"; then
		say "the replica of tank/files, with ten days of recovery points"
		remote ss2 'if zfs list backup/ss1/files >/dev/null 2>&1; then zfs destroy -R backup/ss1/files; fi' # begun by one that was killed
		remote ss1 zfs send -R "tank/files@$newest" | remote ss2 zfs receive -u -o readonly=on -o volmode=none backup/ss1/files
		remote ss2 zfs hold nightshift:files "backup/ss1/files@$newest"
	fi
	lab_file
	nightshift lab prepare-storage --lab "$RUN/lab.yaml" --as root --key "$RUN/keys/root" --yes 9>&-
	remote ss1 'ls /sys/kernel/config/target/core/iblock_*/vmfs-mail >/dev/null 2>&1' ||
		script ss1 show.sh vmfs-mail tank/mail 10.99.0.1:3260 "$(initiator ss2)" "$DIGITS" >/dev/null
	say "prepared; the lab file is $RUN/lab.yaml"
}

# copy other|same: what an administrator does by hand.
copy() {
	local as=()
	case ${1:-} in
	other) ;;
	same) as=("$DIGITS") ;;
	*) die "copy other, or copy same" ;;
	esac
	# shellcheck disable=SC2016 # for the shell there
	remote ss2 'set -e; copy=backup/ss1/mail-copy; zfs list $copy >/dev/null 2>&1 ||
		zfs clone -o volmode=dev "$(zfs list -H -d 1 -t snapshot -o name -s createtxg backup/ss1/mail | tail -n 1)" $copy
		until [ -b /dev/zvol/$copy ]; do udevadm settle; done' || die "there is no replica of tank/mail yet: nightshift run replicate -p group=mail"
	script ss2 show.sh vmfs-mail backup/ss1/mail-copy 10.99.0.2:3260 "$(initiator ss1)" "${as[@]}"
}

main() {
	local verb=${1:-}
	[ $# -eq 0 ] || shift
	mkdir -p "$LAB"
	case $verb in
	up | down)
		exec 9>"$LAB/lab.lock"
		flock -n 9 || { say "another command is at it: waiting for its end" && flock 9; }
		"$verb"
		if [ "$verb ${1:-}" = "up --prepared" ]; then prepare; fi
		;;
	status | check) "$verb" ;;
	copy)
		[ -e "$RUN/lab.yaml" ] || die "there is none: lab.sh up --prepared"
		copy "$@"
		;;
	ssh)
		[ $# -gt 0 ] || die "which machine? lab.sh ssh [USER@]ss1 COMMAND"
		[ -e "$RUN/${1#*@}.port" ] || die "${1#*@} is not up: make storage-lab"
		remote "$@"
		;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit 2 ;;
	esac
}
main "$@"
