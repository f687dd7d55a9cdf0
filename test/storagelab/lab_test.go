//go:build storagelab

package storagelab_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/test/storagelab"
)

// The lab itself: what the other tests stand on.

func TestMachinesHaveWhatStorageHostsHave(t *testing.T) {
	lab := storagelab.Connect(t)
	for _, m := range []*storagelab.Machine{lab.SS1, lab.SS2} {
		require.Equal(t, m.Name, m.Run("hostname"))
		versions := strings.Split(m.Run("zfs", "version"), "\n")
		require.Len(t, versions, 2)
		tools, tooled := strings.CutPrefix(versions[0], "zfs-")
		module, loaded := strings.CutPrefix(versions[1], "zfs-kmod-")
		require.True(t, tooled && loaded, versions)
		require.Equal(t, tools, module, "the module is of the same version as the tools")
		m.Run("ls", "-d", "/sys/kernel/config/target", "/sys/module/iscsi_target_mod", "/sys/module/iscsi_tcp")
		for _, command := range []string{"targetcli", "iscsiadm", "syncoid", "sg_vpd", "mbuffer"} {
			m.Run("which", command)
		}
		require.Empty(t, m.Run("systemctl", "list-units", "--state=failed", "--plain", "--no-legend"), "services that failed")
		require.Equal(t, m.Initiator, strings.TrimPrefix(m.Run("cat", "/etc/iscsi/initiatorname.iscsi"), "InitiatorName="))
	}
	require.NotEqual(t, lab.SS1.Run("hostid"), lab.SS2.Run("hostid"), "pools belong to the host whose id they carry")
}

func TestServiceAccountMayNothingUnlessPrepared(t *testing.T) {
	lab := storagelab.Connect(t)
	volume := lab.SS1.NewPool().Volume("mail", 16)
	service := lab.SS1.As("zfsadm")
	r := service.Try("zfs", "snapshot", volume+"@a")
	require.Equal(t, 1, r.Status)
	require.Contains(t, r.Stderr, "permission denied")
	read := []string{"dd", "if=" + storagelab.Device(volume), "of=/dev/null", "bs=1M", "count=1", "status=none"}
	require.NotZero(t, service.Try(read...).Status)
	service.Run(append([]string{"sudo", "-n"}, read...)...)
	require.NotZero(t, service.Try("sudo", "-n", "id").Status, "sudo permits nothing else")
}

// replicate sends a snapshot as a person would; both statuses count.
const replicate = `
{ zfs send "$1"; echo $? >"$HOME/sent"; } | ssh -o BatchMode=yes "$2" zfs receive -s -u "$3"
test "$(cat "$HOME/sent")" = 0`

func TestSendAndReceive(t *testing.T) {
	lab := storagelab.Connect(t)
	source, target := lab.SS1.NewPool(), lab.SS2.NewPool()
	lab.Prepare(source, target)
	volume, replica := source.Volume("mail", 16), target.Dataset("mail")
	lab.SS1.Scribble(storagelab.Device(volume), 0, 8)
	service := lab.SS1.As("zfsadm")
	service.Run("zfs", "snapshot", volume+"@a")
	service.Script(replicate, volume+"@a", "ss2", replica)
	guid := func(m *storagelab.Machine, snapshot string) string {
		return m.Run("zfs", "get", "-Hp", "-o", "value", "guid", snapshot)
	}
	require.Equal(t, guid(lab.SS1, volume+"@a"), guid(lab.SS2, replica+"@a"))
	require.Equal(t, lab.SS1.Digest(storagelab.Device(volume)), lab.SS2.Digest(storagelab.Device(replica)))
	lab.SS1.Scribble(storagelab.Device(volume), 4, 1)
	require.NotEqual(t, lab.SS1.Digest(storagelab.Device(volume)), lab.SS2.Digest(storagelab.Device(replica)))
}

// publish presents a volume as LUN 7 by targetcli: device, serial number, target, portal, initiator, user, password.
const publish = `
targetcli >/tmp/publish.log 2>&1 <<END
set global auto_add_default_portal=false auto_save_on_exit=false logfile=none
/backstores/block create name=mail dev=$1 wwn=$2
/iscsi create $3
/iscsi/$3/tpg1 set attribute authentication=1 generate_node_acls=0
/iscsi/$3/tpg1/portals create $4 3260
/iscsi/$3/tpg1/luns create /backstores/block/mail lun=7 add_mapped_luns=false
/iscsi/$3/tpg1/acls create $5 add_mapped_luns=false
/iscsi/$3/tpg1/acls/$5 set auth userid=$6 password=$7
/iscsi/$3/tpg1/acls/$5 create mapped_lun=7 tpg_lun_or_backstore=lun7
saveconfig
END
# What rtslib saves is not on disk yet: it writes one file with fsync, and copies that without.
sync /etc/rtslib-fb-target/saveconfig.json
grep -q "$2" /sys/kernel/config/target/core/iblock_*/mail/wwn/vpd_unit_serial || { cat /tmp/publish.log >&2; exit 1; }`

func present(m *storagelab.Machine, volume, serial string, portal storagelab.Portal, initiator string) {
	m.Script(publish, storagelab.Device(volume), serial, portal.Target, portal.Address, initiator, portal.User, portal.Password)
}

func TestInitiatorSeesWhatTargetPresents(t *testing.T) {
	lab := storagelab.Connect(t)
	volume := lab.SS1.NewPool().Volume("mail", 16)
	lab.SS1.Scribble(storagelab.Device(volume), 0, 2)
	portal := storagelab.Portal{Address: lab.SS1.Private, Target: "iqn.2026-01.lab.storage:" + strings.ReplaceAll(volume, "/", "."), User: "lab", Password: "labsecret12345"}
	present(lab.SS1, volume, "5eadbeef-1122-3344-5566-778899aabbcc", portal, lab.SS2.Initiator)

	wrong := portal
	wrong.Password = "wrongwrong1234"
	require.Equal(t, 24, lab.SS2.Login(wrong).Status, "the target refuses another password")
	lab.SS2.Logout(wrong)
	r := lab.SS2.Login(portal)
	require.Zero(t, r.Status, r.Stderr)
	disk := lab.SS2.Disk(portal, 7)
	// Page 0x83: NAA 6, the company id of LIO, the first 25 digits of the serial number.
	require.Contains(t, lab.SS2.Run("sg_vpd", "--page=di", disk), "0x60014055eadbeef1122334455667788")
	require.Contains(t, lab.SS2.Run("sg_vpd", "--page=sn", disk), "5eadbeef-1122-3344-5566-778899aabbcc")
	require.Equal(t, lab.SS1.Digest(storagelab.Device(volume)), lab.SS2.Digest(disk))
}

func TestLinkCutAndBack(t *testing.T) {
	lab := storagelab.ConnectAlone(t)
	ping := func() int { return lab.SS1.Try("ping", "-c", "1", "-W", "5", lab.SS2.Private).Status }
	require.Zero(t, ping())
	lab.Cut()
	require.NotZero(t, ping())
	require.Equal(t, "ss2", lab.SS2.Run("hostname"), "management does not need the link")
	lab.Restore()
	require.Zero(t, ping())
}

// long marks a test that takes minutes on emulated processors, and is no part of the core.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes minutes")
	}
}

func TestCrashAndBoot(t *testing.T) {
	long(t)
	lab := storagelab.ConnectAlone(t)
	pool := lab.SS1.NewPool()
	volume := pool.Volume("mail", 16)
	lab.SS1.Scribble(storagelab.Device(volume), 0, 4)
	written := lab.SS1.Digest(storagelab.Device(volume))
	portal := storagelab.Portal{Address: lab.SS1.Private, Target: "iqn.2026-01.lab.storage:crash", User: "lab", Password: "labsecret12345"}
	present(lab.SS1, volume, "c4a54000-1122-3344-5566-778899aabbcc", portal, lab.SS2.Initiator)
	before := lab.SS1.BootID()

	lab.SS1.Crash()
	require.NotZero(t, lab.SS2.Try("ping", "-c", "1", "-W", "5", lab.SS1.Private).Status, "it is off")
	lab.SS1.Boot()
	require.NotEqual(t, before, lab.SS1.BootID())
	require.Equal(t, "ONLINE", lab.SS1.Run("zpool", "list", "-H", "-o", "health", pool.Name), "pools are imported at boot")
	require.Equal(t, written, lab.SS1.Digest(storagelab.Device(volume)))
	r := lab.SS2.Login(portal)
	require.Zero(t, r.Status, "targets are there again after a boot: %s", r.Stderr)
	require.Equal(t, written, lab.SS2.Digest(lab.SS2.Disk(portal, 7)))
}
