#!/bin/sh
# nightshift: what another storage host may do here. Installed by `nightshift lab prepare-storage` as the only command of the
# keys of other storage hosts (command= in authorized_keys): whoever takes such a host over gets at no replica that is here.
#
#	nightshift-receive            runs $SSH_ORIGINAL_COMMAND where it is `[env LC_ALL=C PATH=…] zfs receive -s -u … DATASET`
#
# Whether the dataset may be received into is decided by ZFS (`zfs allow`). Exit status 126: refused.
PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
set -f

refuse() {
	echo "nightshift-receive: $1" >&2
	exit 126
}

command=$SSH_ORIGINAL_COMMAND
newline='
'
# What is left after this has no meaning to a shell but words and '…': eval does nothing but to take the quotes off.
case $command in
*"$newline"* | *[!A-Za-z0-9_./:,@%+=\'\ -]*) refuse 'there are characters in the command that are not allowed' ;;
esac
rest=$command
open=
while :; do
	case $rest in
	*\'*) rest=${rest#*\'} ;;
	*) break ;;
	esac
	if [ -z "$open" ]; then open=yes; else open=; fi
done
[ -z "$open" ] || refuse 'a quote is not closed'
eval "set -- $command"

if [ "$1" = env ]; then
	shift
	while :; do
		case $1 in
		LC_ALL=* | PATH=*) shift ;;
		*) break ;;
		esac
	done
fi
case "$#:$*" in
1:nightshift-hello)
	echo nightshift-receive 1
	exit 0
	;;
esac
if [ "$1 $2 $3 $4" != 'zfs receive -s -u' ]; then
	refuse 'only zfs receive -s -u is allowed'
fi
shift 4
expect=
dataset=
for word; do
	case $expect:$word in
	o:?*=* | x:?*) expect= ;;
	:-o) expect=o ;;
	:-x) expect=x ;;
	:-*) refuse "the option $word is not allowed" ;;
	o:* | x:*) refuse "'$word' is no property, or has no value" ;;
	*)
		[ -z "$dataset" ] || refuse 'more than one dataset'
		dataset=$word
		;;
	esac
done
if [ -n "$expect" ] || [ -z "$dataset" ]; then
	refuse 'no dataset'
fi
exec zfs receive -s -u "$@"
