# What Linux' LIO does when directories are made and removed in its configfs, as functions of the shell that take the place of the
# commands: attributes come and go with their directories, and what is in use stays. Sources: target_core_configfs.c,
# target_core_fabric_configfs.c and iscsi_target_configfs.c of Linux.
kernel_file() { printf '%s' "$2" >"$1"; }

mkdir() {
	if [ "$1" = -p ]; then
		command mkdir "$@"
		return
	fi
	case $1 in
	"$root"/iscsi/*/np/*)
		case " $local_addresses " in
		*" ${1##*/} "*) ;;
		*) return 1 ;; # EADDRNOTAVAIL
		esac
		;;
	esac
	command mkdir "$1" || return 1
	case ${1#"$root"/} in
	core/*/*)
		command mkdir "$1/wwn" "$1/attrib" "$1/alua" "$1/pr" "$1/statistics"
		kernel_file "$1/control" ''
		kernel_file "$1/enable" "0
"
		kernel_file "$1/udev_path" ''
		kernel_file "$1/info" 'Status: DEACTIVATED  Max Queue Depth: 0  SectorSize: 512  HwMaxSectors: 16384
'
		kernel_file "$1/wwn/vpd_unit_serial" 'T10 VPD Unit Serial Number: 
'
		kernel_file "$1/wwn/company_id" '0x001405
'
		kernel_file "$1/wwn/vendor_id" 'LIO-ORG
'
		kernel_file "$1/wwn/product_id" 'IBLOCK
'
		kernel_file "$1/wwn/revision" '4.0
'
		kernel_file "$1/attrib/block_size" '512
'
		kernel_file "$1/attrib/emulate_caw" '1
'
		kernel_file "$1/attrib/emulate_3pc" '1
'
		;;
	iscsi/*/tpgt_*/lun/lun_* | iscsi/*/tpgt_*/np/*) ;;
	iscsi/*/tpgt_*/acls/*/lun_*) kernel_file "$1/write_protect" '0
' ;;
	iscsi/*/tpgt_*/acls/*)
		command mkdir "$1/auth" "$1/attrib"
		kernel_file "$1/attrib/authentication" '-1
'
		for k in userid password userid_mutual password_mutual; do kernel_file "$1/auth/$k" '
'; done
		kernel_file "$1/info" "No active iSCSI Session for Initiator Endpoint: ${1##*/}
"
		;;
	iscsi/*/tpgt_*)
		command mkdir "$1/attrib" "$1/lun" "$1/np" "$1/acls" "$1/param"
		kernel_file "$1/enable" '0
'
		kernel_file "$1/dynamic_sessions" ''
		kernel_file "$1/attrib/authentication" '1
'
		kernel_file "$1/attrib/generate_node_acls" '0
'
		;;
	esac
}

# in_use DIR: it has directories that a person made, or symbolic links in it or to it.
in_use() {
	case ${1#"$root"/} in
	core/*/* | iscsi/*/tpgt_*/acls/*/lun_* | iscsi/*/tpgt_*/np/*) ;;
	core/*) [ -z "$(ls "$1")" ] || return 0 ;;
	iscsi/*/tpgt_*/lun/lun_*) ;;
	iscsi/*/tpgt_*/acls/*) [ -z "$(find "$1" -mindepth 1 -maxdepth 1 -name 'lun_*')" ] || return 0 ;;
	iscsi/*/tpgt_*) [ -z "$(find "$1/lun" "$1/np" "$1/acls" -mindepth 1 -maxdepth 1)" ] || return 0 ;;
	iscsi/*) [ -z "$(ls "$1")" ] || return 0 ;;
	esac
	[ -z "$(find "$1" -maxdepth 1 -type l)" ] || return 0
	find "$root" -type l | while IFS= read -r l; do
		[ "$(readlink "$l")" != "$1" ] || echo
	done | grep -q ''
}

rmdir() {
	for d; do
		[ -d "$d" ] || return 1
		if in_use "$d"; then
			return 1
		fi
		command rm -r "$d"
	done
}

modprobe() { command mkdir -p "$root/core/alua/lu_gps/default_lu_gp"; }
mount() { :; }
sync() { :; }
