# shellcheck shell=bash
# Which Debian packages the image is made of, in which versions, and so the image's key. Sourced by image.sh.
# apt is asked in a private state, so that this machine's own lists and locks stay out of it.

SUITE=bookworm
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# What the machines are for, and in the last line what people and tests look with.
PACKAGES=(
	systemd-sysv dbus udev kmod procps iproute2 openssh-server sudo python3-minimal
	zfsutils-linux targetcli-fb open-iscsi sanoid mbuffer pv lzop zstd
	iputils-ping sg3-utils lsscsi gdisk
)
APT=$LAB/apt

# uris: the addresses of this machine's package sources.
uris() { apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' | sort -u; }

# sources: what the image is made from: the mirror that this machine uses itself.
sources() {
	local main security signed="[arch=amd64 signed-by=$KEYRING]"
	main=${NIGHTSHIFT_STORAGE_LAB_MIRROR:-$(uris | grep -E '/debian/?$' | head -n 1 || true)}
	[ -n "$main" ] || die "this machine's package sources have no Debian mirror: name one:" \
		"    NIGHTSHIFT_STORAGE_LAB_MIRROR=URL make storage-lab"
	security=$(uris | grep -E '/debian-security/?$' | head -n 1 || true)
	printf 'deb %s\n' "$signed $main $SUITE main contrib" "$signed $main $SUITE-backports main contrib"
	[ -z "$security" ] || printf 'deb %s\n' "$signed $security $SUITE-security main contrib"
}

# private apt-get|apt-cache ARG...
private() {
	"$1" -qq -o Dir::Etc::SourceList="$APT/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences="$APT/preferences" -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$APT/state" -o Dir::State::status="$APT/status" -o Dir::Cache="$APT/cache" \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root \
		-o Acquire::Languages=none "${@:2}"
}

# refresh: package lists of today. Fails where the mirror cannot be reached.
refresh() {
	mkdir -p "$APT"/state/lists/partial "$APT"/cache/archives/partial
	: >"$APT/status"
	# OpenZFS of the stable release is older than what people run.
	printf 'Package: src:zfs-linux\nPin: release n=%s-backports\nPin-Priority: 990\n' "$SUITE" >"$APT/preferences"
	sources >"$APT/sources.list.new"
	if cmp -s "$APT/sources.list.new" "$APT/sources.list" && [ -n "$(find "$APT/fresh" -mtime -1 2>/dev/null)" ]; then
		return
	fi
	mv "$APT/sources.list.new" "$APT/sources.list"
	private apt-get update -o APT::Update::Error-Mode=any && touch "$APT/fresh"
}

# kernel: the release of the kernel, such as 6.1.0-37-cloud-amd64. The flavour has NVMe and ext4 built in: no initramfs.
kernel() { private apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: linux-image-//p' | head -n 1; }

# versions: what the image will have, a line per package. Fails where the mirror lacks one.
versions() {
	local wanted=("linux-image-$(kernel)" zfs-dkms "${PACKAGES[@]}") found
	found=$(private apt-cache policy "${wanted[@]}" |
		awk '/^[^ ]/ { sub(/:$/, ""); name = $1 } $1 == "Candidate:" && $2 != "(none)" { print name, $2 }')
	[ "$(wc -l <<<"$found")" -eq ${#wanted[@]} ] || die "the mirror lacks some of: ${wanted[*]}" "it has: $found"
	echo "$found"
}

# recipe: a hash of what makes the image beside the packages.
recipe() { cat image.sh packages.sh guest/* | sha256sum | cut -c 1-16; }
