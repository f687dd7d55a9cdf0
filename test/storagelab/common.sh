# shellcheck shell=bash
# What the scripts of the storage lab share. Sourced, never run.

# Everything that the lab writes lies here; `make storage-lab-down` leaves the images and compiled modules.
LAB=${NIGHTSHIFT_STORAGE_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/nightshift/storage-lab}
# shellcheck disable=SC2034 # read by those who source this
RUN=$LAB/run
# shellcheck disable=SC2034
MACHINES=(ss1 ss2)
# Debian has what few need where only root's PATH looks.
PATH=$PATH:/usr/sbin:/sbin

# say LINE: progress, with the seconds since the script began.
say() { printf 'storage lab: [%4d s] %s\n' "$SECONDS" "$*"; }

# die LINE...: why not, and what to do about it.
die() {
	printf 'storage lab: %s\n' "$@" >&2
	exit 1
}

is_debian() { [ -r /etc/debian_version ] && command -v apt-get >/dev/null; }

# need COMMAND:PACKAGE...: what is missing is installed where root may, else said.
need() {
	local entry missing=()
	for entry in "$@"; do
		command -v "${entry%%:*}" >/dev/null || missing+=("${entry#*:}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	is_debian || die "missing on this machine: ${missing[*]} (names of Debian packages)" \
		"this is not Debian: install what has these commands: ${*%%:*}"
	[ "$(id -u)" -eq 0 ] || die "missing on this machine; install it and try again:" \
		"    sudo apt-get install --no-install-recommends ${missing[*]}"
	say "installing ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# need_space DIR MIB WHAT
need_space() {
	local free
	free=$(df --output=avail --block-size=1M "$1" | tail -n 1)
	[ "$free" -ge "$2" ] || die "$3 needs $2 MiB in $1, where $((free)) MiB are free" \
		"another place: NIGHTSHIFT_STORAGE_LAB=DIR make storage-lab"
}

# can_build: whether the image could be built here, but for packages that are missing.
can_build() {
	is_debian || die "the image is built from Debian packages, on Debian only (it runs anywhere with QEMU):" \
		"build it on a Debian machine, and copy $LAB/images and the link $LAB/image from there"
	[ "$(dpkg --print-architecture)" = amd64 ] || die "the image is built on amd64 only; this is $(dpkg --print-architecture)"
	[ "$(id -u)" -eq 0 ] || die "the image is not there yet, and building it needs root, once:" \
		"    sudo env NIGHTSHIFT_STORAGE_LAB=$LAB $PWD/image.sh"
	# At its peak; the image itself has some 600 MiB.
	need_space "$LAB" 6000 "building the image"
}
