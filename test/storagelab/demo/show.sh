#!/bin/bash
# show.sh NAME VOLUME PORTAL INITIATOR [DIGITS]: shows a volume of this host to an initiator, as root, and no longer as what it was shown before:
# without DIGITS as the LUN that LIO makes by itself; with them (a serial number) as that on which source.sh's VMFS volume was made.
set -eu
name=$1 volume=$2 portal=$3 initiator=$4 serial=${5:-}
target=iqn.2026-01.lab.storage:$name
/usr/local/sbin/nightshift-lio unpublish "$name" sessions >/dev/null
if [ -z "$serial" ]; then
	targetcli >/dev/null <<END
set global auto_add_default_portal=false auto_save_on_exit=false logfile=none
/backstores/block create name=$name dev=/dev/zvol/$volume
/iscsi create $target
/iscsi/$target/tpg1 set attribute authentication=0 generate_node_acls=0
/iscsi/$target/tpg1/portals create ${portal%:*} ${portal#*:}
/iscsi/$target/tpg1/luns create /backstores/block/$name
/iscsi/$target/tpg1/acls create $initiator
END
	test -d "/sys/kernel/config/target/iscsi/$target/tpgt_1/acls/$initiator/lun_0"
	exit
fi
/usr/local/sbin/nightshift-lio publish "$name" <<END
nightshift-lio 1
name $name
device /dev/zvol/$volume
serial $serial
company 0x00144f
vendor SUN
product COMSTAR
revision 1.0
block 512
readonly 0
target $target
group 1
lun 3
portal $portal
chap 0
grant $initiator
grant-readonly 0
end
END
