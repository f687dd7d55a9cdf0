#!/bin/sh
# nightshift: reads a part of a zvol. Installed by `nightshift lab prepare-storage`; the service account may run it as root, as
# zvols are readable for nobody else.
#
#	nightshift-read DATASET SKIP COUNT     COUNT sectors of 512 bytes, SKIP sectors from its beginning, to standard output
#
# DATASET may be a snapshot of which the volume shows its snapshots (snapdev=visible). Exit status 2: not understood.
PATH=/usr/sbin:/sbin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL

usage() {
	echo "nightshift-read: $1" >&2
	exit 2
}

[ $# = 3 ] || usage 'nightshift-read DATASET SKIP COUNT'
case /$1/ in
*[!A-Za-z0-9_./:@-]* | *//* | */../* | */./*) usage 'this is no dataset' ;;
esac
for number in "$2" "$3"; do
	case $number in
	'' | *[!0-9]* | ????????????????*) usage 'SKIP and COUNT are numbers' ;;
	esac
done
[ -b "/dev/zvol/$1" ] || usage "$1 is no zvol that is shown under /dev/zvol"
# A target writes past the page cache, which Linux keeps as long as the target has the zvol open: what was read once would be read for ever.
blockdev --flushbufs "/dev/zvol/$1" || exit 1
exec dd if="/dev/zvol/$1" bs=512 skip="$2" count="$3" status=none
