//go:build storagelab

package storagelab_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/test/contract"
	"nightshift/test/storagelab"
)

func unique() string { return "ns-" + uuid.NewString()[:8] }

func TestTheReplicaIsTheSameDisk(t *testing.T) {
	lab := storagelab.Connect(t)
	p := pair(t, lab)
	contract.SameDisk(t, targetHost{p.Source.(host), lab}, targetHost{p.Target.(host), lab})
}

// ZFS says nothing where initiators have a volume open: measured here, so that nobody trusts it to.
func TestZFSIsSilentAndTheGuardIsNot(t *testing.T) {
	long(t)
	lab := storagelab.Connect(t)
	contract.Silent(t, targetHost{pair(t, lab).Source.(host), lab})
}

// disk is the one that a machine sees of a publication.
func disk(t *testing.T, lab *storagelab.Lab, m *storagelab.Machine, p iscsi.Publication) iscsi.Identity {
	t.Helper()
	disks, err := iscsi.Disks(t.Context(), iscsi.OverSSH(connect(t, lab, m)), p.Target)
	require.NoError(t, err)
	require.Len(t, disks, 1)
	require.NotEmpty(t, disks[0].Block)
	return disks[0].Identity
}

func TestMoreThanOneInATarget(t *testing.T) {
	long(t)
	lab := storagelab.Connect(t)
	pool := lab.SS1.NewPool()
	first, second := unique(), unique()
	published := target(t, lab, lab.SS1, first)
	t.Cleanup(func() { lab.SS1.Run(iscsi.LIOProgramPath, "unpublish", second, "sessions") })
	a := publication(first, storagelab.Device(pool.Volume("a", 16)), lab.SS1, lab.SS2.Initiator)
	b := publication(second, storagelab.Device(pool.Volume("b", 16)), lab.SS1, lab.SS2.Initiator)
	b.Target, b.Identity.LUN = a.Target, 8
	b.Grants[0].ReadOnly = true
	_, err := iscsi.Ensure(t.Context(), published, a)
	require.NoError(t, err)
	group := "/sys/kernel/config/target/iscsi/" + a.Target + "/tpgt_1"
	lab.SS1.Script(`echo 0 >"$1/enable"`, group)
	_, err = iscsi.Ensure(t.Context(), published, b)
	require.ErrorIs(t, err, fault.State)
	require.ErrorContains(t, err, "is closed, and has other LUNs")
	lab.SS1.Script(`echo 1 >"$1/enable"`, group)
	_, err = iscsi.Ensure(t.Context(), published, b)
	require.NoError(t, err)
	twin := b
	twin.Name, twin.Device, twin.Identity.LUN = unique(), storagelab.Device(pool.Volume("c", 16)), 9
	_, err = published.Publish(t.Context(), twin)
	require.ErrorIs(t, err, fault.State)
	require.ErrorContains(t, err, "the NAA is shown by")

	portal := portalOf(a, lab.SS1)
	require.Zero(t, lab.SS2.Login(portal).Status)
	lab.SS2.Scribble(lab.SS2.Disk(portal, 7), 0, 1)
	require.NotZero(t, lab.SS2.Try("dd", "if=/dev/zero", "of="+lab.SS2.Disk(portal, 8), "bs=4k", "count=1", "oflag=direct").Status, "it is write protected")

	// A second initiator with a secret of its own, and one that is none any more.
	a.Grants = append(a.Grants, iscsi.Grant{Initiator: lab.SS1.Initiator, CHAP: &iscsi.CHAP{User: "other", Secret: inventory.NewSecret("another secret 2")}})
	done, err := iscsi.Ensure(t.Context(), published, a)
	require.NoError(t, err)
	require.NotEmpty(t, done)
	own := portal
	own.User, own.Password = "other", "another secret 2"
	require.Zero(t, lab.SS1.Login(own).Status)
	lab.SS1.Logout(own)
	told := lab.SS1.Script(iscsi.LIOReadScript(), iscsi.LIOPlaces()...) // as root: who proves himself, and with no secret
	require.Contains(t, told, "/acls/"+lab.SS1.Initiator+"/auth/userid\x00other")
	require.NotContains(t, told, own.Password)
	require.NotContains(t, told, portal.Password)

	_, err = published.Unpublish(t.Context(), first, true)
	require.NoError(t, err)
	l, err := published.List(t.Context())
	require.NoError(t, err)
	lu, found := l.Find(second)
	require.True(t, found)
	loggedIn, _ := lu.Sessions()
	require.Equal(t, []string{lab.SS2.Initiator}, loggedIn, "its session goes on")
	lab.SS2.Run("dd", "if="+lab.SS2.Disk(portal, 8), "of=/dev/null", "bs=4k", "count=1", "iflag=direct")
}

// What the unit does at boot, without one: targetcli's restore came first, and knows neither company id, vendor nor product.
func TestWhatRunsAtBootPutsItRight(t *testing.T) {
	long(t)
	lab := storagelab.Connect(t)
	name := unique()
	volume := lab.SS1.NewPool().Volume("mail", 16)
	published := target(t, lab, lab.SS1, name)
	p := publication(name, storagelab.Device(volume), lab.SS1, lab.SS2.Initiator)
	_, err := iscsi.Ensure(t.Context(), published, p)
	require.NoError(t, err)
	before, err := published.List(t.Context())
	require.NoError(t, err)

	lab.SS1.Script(`cp -p "/etc/nightshift-lio/$1.lu" "/root/$1.kept"; "$2" unpublish "$1"; mv "/root/$1.kept" "/etc/nightshift-lio/$1.lu"`, name, iscsi.LIOProgramPath)
	lab.SS1.Script(`targetcli >/dev/null <<END
set global auto_add_default_portal=false auto_save_on_exit=false logfile=none
/backstores/block create name=$1 dev=$2 wwn=$3
/iscsi create $4
/iscsi/$4/tpg1/luns create /backstores/block/$1 lun=7 add_mapped_luns=false
END`, name, p.Device, p.Identity.NAA[7:], p.Target)
	wrong, err := published.List(t.Context())
	require.NoError(t, err)
	lu, found := wrong.Find(name)
	require.True(t, found)
	require.NotEqual(t, p.Identity.NAA, lu.Identity.NAA, "another LUN, to ESXi")

	lab.SS1.Run("systemctl", "restart", "nightshift-lio.service")
	after, err := published.List(t.Context())
	require.NoError(t, err)
	want, _ := before.Find(name)
	got, _ := after.Find(name)
	require.Equal(t, want, got)
}

// After a boot it is what it was, also where an administrator's targetcli has kept it as something else.
func TestItSurvivesAReboot(t *testing.T) {
	long(t)
	lab := storagelab.ConnectAlone(t)
	name := unique()
	volume := lab.SS1.NewPool().Volume("mail", 16)
	published := target(t, lab, lab.SS1, name)
	p := publication(name, storagelab.Device(volume), lab.SS1, lab.SS2.Initiator)
	_, err := iscsi.Ensure(t.Context(), published, p)
	require.NoError(t, err)
	before, err := published.List(t.Context())
	require.NoError(t, err)
	lab.SS1.Run("targetctl", "save")

	lab.SS1.Reboot()
	require.Equal(t, "active", lab.SS1.Run("systemctl", "is-active", "nightshift-lio.service"))
	published = lio(t, lab, lab.SS1)
	after, err := published.List(t.Context())
	require.NoError(t, err)
	want, _ := before.Find(name)
	got, _ := after.Find(name)
	require.Equal(t, want, got)
	portal := portalOf(p, lab.SS1)
	require.Zero(t, lab.SS2.Login(portal).Status)
	require.Empty(t, iscsi.Words(iscsi.Diff(p.Identity, disk(t, lab, lab.SS2, p))))
	lab.SS2.Logout(portal)

	_, err = published.Unpublish(t.Context(), name, false)
	require.NoError(t, err)
	lab.SS1.Reboot()
	after, err = lio(t, lab, lab.SS1).List(t.Context())
	require.NoError(t, err)
	_, found := after.Find(name)
	require.False(t, found, "what was taken away does not come back")
}
