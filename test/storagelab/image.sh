#!/usr/bin/env bash
# The image of the storage lab's machines, from nothing but Debian packages: made once for each version of these scripts
# and of the packages, kept in images/KEY, and named by the link `image`. It has no keys, names or addresses: a machine
# gets those from its own disk (lab.sh, guest/personality). As root, as it makes a root file system; others use what is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./common.sh
. ./packages.sh

WORK=$LAB/work
# The root file system; sparse, about 600 MiB of it are used.
SIZE_MIB=3072

# bootstrap DIR PACKAGE...: a root file system.
bootstrap() {
	local dir=$1
	shift
	rm -rf --one-file-system "$dir"
	mmdebstrap --quiet --mode=root --variant=minbase --architectures=amd64 \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
		--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--setup-hook="install -D -m 644 '$APT/preferences' \"\$1/etc/apt/preferences.d/zfs\"" \
		--include="$(IFS=,; echo "$*")" "$SUITE" "$dir" - <"$APT/sources.list"
}

# build_modules: OpenZFS's kernel modules, compiled once for each kernel and version, into MODULES.
build_modules() {
	if [ -s "$MODULES" ]; then
		say "ZFS modules: those of before"
		return
	fi
	local root=$WORK/builder source
	bootstrap "$root" gcc make "linux-headers-$KERNEL" libc6-dev kmod python3-minimal gawk file
	dpkg-deb -x "$WORK"/deb/zfs-dkms_*.deb "$root"
	source=$(cd "$root" && echo usr/src/zfs-*)
	say "compiling ZFS modules: minutes"
	# A mount name space of its own: nothing stays mounted, however this ends.
	# shellcheck disable=SC2016 # for the shells in there
	if ! unshare --mount sh -ec 'mount --bind /proc "$1/proc"; exec chroot "$1" sh -ec "$2" sh "$3" "$4"' \
		sh "$root" "$COMPILE" "$source" "$KERNEL" >"$WORK/modules.log" 2>&1; then
		tail -n 30 "$WORK/modules.log" >&2
		die "compiling ZFS modules failed; all of it: $WORK/modules.log"
	fi
	find "$root/out" -type f ! -name '*.ko' -delete
	mkdir -p "$(dirname "$MODULES")"
	tar -C "$root/out" --zstd -cf "$MODULES.new" lib
	mv "$MODULES.new" "$MODULES"
	say "ZFS modules compiled"
}
# shellcheck disable=SC2016 # for the shell in there: $1 is the source, $2 the kernel
COMPILE='cd "/$1"
	find configure scripts config -type f -exec chmod +x {} +
	./configure --with-config=kernel --disable-debug --with-linux=/lib/modules/$2/source --with-linux-obj=/lib/modules/$2/build
	make -s -j"$(nproc)"
	make -s -C module INSTALL_MOD_PATH=/out INSTALL_MOD_DIR=updates/zfs INSTALL_MOD_STRIP=1 modules_install'

# furnish ROOT: kernel, modules, account, services.
furnish() {
	local root=$1
	# /lib is a link.
	dpkg-deb --fsys-tarfile "$WORK"/deb/linux-image-*.deb | tar -C "$root" --keep-directory-symlink -xf -
	tar -C "$root" --keep-directory-symlink --zstd -xf "$MODULES"
	chroot "$root" depmod "$KERNEL"
	install -m 755 guest/personality guest/prepare guest/release-pool guest/unpublish -t "$root/usr/local/sbin"
	install -m 644 guest/personality.service "$root/etc/systemd/system/"
	install -D -m 644 guest/targets-after-volumes.conf "$root/etc/systemd/system/rtslib-fb-targetctl.service.d/volumes.conf"
	install -D -m 644 guest/patience.conf "$root/etc/systemd/system/service.d/patience.conf"
	install -D -m 644 guest/journald.conf "$root/etc/systemd/journald.conf.d/storagelab.conf"
	install -m 644 guest/sshd.conf "$root/etc/ssh/sshd_config.d/storagelab.conf"
	install -m 644 guest/modules "$root/etc/modules-load.d/storagelab.conf"
	install -m 644 guest/modprobe.conf "$root/etc/modprobe.d/storagelab.conf"
	install -m 440 guest/sudoers "$root/etc/sudoers.d/zfsadm"
	printf '/dev/nvme0n1 / ext4 rw,noatime 0 1\n' >"$root/etc/fstab"
	# Neither keys nor names: a machine brings its own. No mirror's name stays in the image either.
	rm -rf "$root"/etc/ssh/ssh_host_* "$root"/etc/hostid "$root"/etc/iscsi/initiatorname.iscsi "$root"/boot/vmlinuz-* "$root"/boot/System.map-* "$root"/boot/config-* \
		"$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
	: >"$root/etc/machine-id"
	# PAM warns at each login without it.
	: >"$root/etc/default/locale"
	chroot "$root" sh -ec "$SERVICES" >"$WORK/services.log" 2>&1 || die "setting up services failed: $WORK/services.log"
}
SERVICES='
	useradd --create-home --shell /bin/bash --comment "ZFS service account" zfsadm
	systemctl enable personality.service ssh.service rtslib-fb-targetctl.service iscsid.socket \
		zfs-import-cache.service zfs-import.target zfs-volume-wait.service zfs-volumes.target zfs.target
	systemctl disable apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
		fstrim.timer open-iscsi.service sanoid.timer sanoid-prune.service zfs-zed.service || true
	systemctl mask getty@tty1.service systemd-networkd.service systemd-timesyncd.service systemd-firstboot.service \
		systemd-random-seed.service ldconfig.service zfs-share.service dev-hugepages.mount dev-mqueue.mount \
		sys-kernel-debug.mount sys-kernel-tracing.mount
	systemctl set-default multi-user.target'

# pack ROOT DIR: the image itself. Without checksums of metadata: they are dear on an emulated processor.
pack() {
	cp "$KERNEL_IMAGE" "$2/vmlinuz"
	truncate -s "${SIZE_MIB}M" "$2/root.raw"
	mkfs.ext4 -q -F -O ^metadata_csum -E lazy_itable_init=1,lazy_journal_init=1 -d "$1" "$2/root.raw"
}

# forget_others: images of before, but for those that machines run on.
forget_others() {
	local dir
	for dir in "$LAB"/images/*/; do
		dir=${dir%/}
		[ "${dir##*/}" = "$KEY" ] || grep -qsF "${dir##*/}" "$RUN/image" || rm -rf "$dir"
	done
}

RECIPE=$(recipe)
if [ "$(id -u)" -ne 0 ]; then
	[ "$(cat "$LAB/image/recipe" 2>/dev/null)" = "$RECIPE" ] || can_build
	exit
fi
mkdir -p "$LAB/images"
exec 9>"$LAB/build.lock"
flock -n 9 || { say "another build is at it: waiting for its end"; flock 9; }
if ! is_debian || ! refresh; then
	if [ "$(cat "$LAB/image/recipe" 2>/dev/null)" != "$RECIPE" ]; then
		can_build
		die "the mirror cannot be reached, and there is no image of these scripts"
	fi
	say "no new package lists: the image that is there is used"
	exit
fi
KERNEL=$(kernel)
VERSIONS=$(versions)
KEY=$(printf '%s\n' "$RECIPE" "$VERSIONS" | sha256sum | cut -c 1-16)
IMAGE=$LAB/images/$KEY
if [ ! -s "$IMAGE/root.raw" ]; then
	can_build
	need mmdebstrap:mmdebstrap mkfs.ext4:e2fsprogs zstd:zstd
	ZFS=$(sed -n 's/^zfs-dkms //p' <<<"$VERSIONS")
	MODULES=$LAB/modules/zfs-${ZFS//[^A-Za-z0-9.+-]/_}-linux-$KERNEL.tar.zst
	say "building the image: Linux $KERNEL, OpenZFS $ZFS"
	rm -rf --one-file-system "$WORK"
	mkdir -p "$WORK/deb" "$WORK/image"
	(cd "$WORK/deb" && private apt-get download "linux-image-$KERNEL" zfs-dkms)
	build_modules &
	compiling=$!
	bootstrap "$WORK/root" "${PACKAGES[@]}"
	say "packages unpacked"
	wait "$compiling"
	KERNEL_IMAGE=$WORK/vmlinuz
	dpkg-deb --fsys-tarfile "$WORK"/deb/linux-image-*.deb | tar -xO "./boot/vmlinuz-$KERNEL" >"$KERNEL_IMAGE"
	furnish "$WORK/root"
	pack "$WORK/root" "$WORK/image"
	echo "$RECIPE" >"$WORK/image/recipe"
	echo "$VERSIONS" >"$WORK/image/versions"
	mv "$WORK/image" "$IMAGE"
	rm -rf --one-file-system "$WORK"
	say "image built: $(du -m "$IMAGE/root.raw" | cut -f 1) MiB in $IMAGE"
fi
ln -sfn "images/$KEY" "$LAB/image"
forget_others
