package contract

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
)

// A TargetHost is a storage host with an iSCSI target, and an initiator on it.
type TargetHost interface {
	Host
	// Target is the host's LIO, as the service account sees it. What is published as name is taken away at the end.
	Target(name string) *iscsi.LIOTarget
	// Await waits for a device.
	Await(device string)
	// Portal is where initiators reach it: address:port.
	Portal() string
	Initiator() Initiator
}

// An Initiator is a machine that uses logical units of others. What it has is logged out at the end.
type Initiator interface {
	Name() string // its IQN
	// Login answers the status of iscsiadm: 24 is a refused login.
	Login(at TargetHost, target, user, secret string) int
	Logout(target string)
	// Disks are those of a target, as iscsi.Disks reads them.
	Disks(target string) []iscsi.Disk
	// Write writes so many MiB at the beginning of a LUN; Digest is that of all of it.
	Write(target string, lun, mib int)
	Digest(target string, lun int) string
}

const (
	chapUser   = "lab"
	chapSecret = "labsecret12345"
	refused    = 24
)

// publication is of a volume under a name that nobody else has, as COMSTAR would show it.
func publication(h TargetHost, name, volume, initiator string) iscsi.Publication {
	yes := true
	id := iscsi.Identity{LUN: 7, NAA: "600144f" + strings.ReplaceAll(uuid.NewString(), "-", "")[:25], Vendor: "SUN", Product: "COMSTAR", Revision: "1.0",
		LogicalBlock: 512, CompareAndWrite: &yes, ExtendedCopy: &yes}
	return iscsi.Publication{Name: name, Device: "/dev/zvol/" + volume, Identity: id, Target: "iqn.2026-01.lab.storage:" + name, Group: 1, Portals: []string{h.Portal()},
		Grants: []iscsi.Grant{{Initiator: initiator, CHAP: &iscsi.CHAP{User: chapUser, Secret: inventory.NewSecret(chapSecret)}}}}
}

func unique() string { return "ns-" + uuid.NewString()[:8] }

// SameDisk is the whole way of a LUN with another maker's name: published at the source, written, replicated, published at the
// other site; an initiator sees the same disk.
func SameDisk(t *testing.T, source, dr TargetHost) {
	ctx := t.Context()
	name := unique()
	r := newReplication(t, Pair{Source: source, Target: dr}, "mail", 16)
	published, there := source.Target(name), dr.Target(name)
	p := publication(source, name, r.from, dr.Initiator().Name())
	done, err := iscsi.Ensure(ctx, published, p)
	require.NoError(t, err, "%v", done)
	require.NotEmpty(t, done)
	done, err = iscsi.Ensure(ctx, published, p)
	require.NoError(t, err)
	require.Empty(t, done, "it is so already")

	refuseOthers(t, source, p.Target, dr.Initiator(), source.Initiator())
	require.Zero(t, dr.Initiator().Login(source, p.Target, chapUser, chapSecret))
	dr.Initiator().Write(p.Target, 7, 4)
	atSource := onlyDisk(t, dr.Initiator(), p.Target)
	l, err := published.List(ctx)
	require.NoError(t, err)
	lu, found := l.Find(name)
	require.True(t, found)
	require.Empty(t, iscsi.Words(iscsi.Diff(lu.Seen(), atSource)), "the target tells what its initiators see")
	loggedIn, unknown := lu.Sessions()
	require.Equal(t, []string{dr.Initiator().Name()}, loggedIn)
	require.Zero(t, unknown)
	record, err := iscsi.NewRecord(iscsi.LIO, lu, nil).Marshal()
	require.NoError(t, err)

	_, err = published.Unpublish(ctx, name, false)
	require.ErrorIs(t, err, fault.State)
	require.ErrorContains(t, err, dr.Initiator().Name())
	written := dr.Initiator().Digest(p.Target, 7)
	dr.Initiator().Logout(p.Target)
	r.replicate(direct, r.point(1))
	_, err = published.Unpublish(ctx, name, false)
	require.NoError(t, err)

	// At the other site there is nothing but the record. What is to be a LUN is a replica no more.
	back, err := iscsi.ParseRecord(record)
	require.NoError(t, err)
	q := publication(dr, name, r.to, source.Initiator().Name())
	q.Identity, q.Group = back.Identity, 2
	require.Empty(t, iscsi.Expressible(iscsi.LIO, back.Identity))
	_, err = there.Publish(ctx, q)
	require.ErrorIs(t, err, fault.State, "a replica shows no device")
	dr.Root("zfs", "set", "volmode=dev", r.to)
	dr.Await("/dev/zvol/" + r.to)
	_, err = there.Publish(ctx, q)
	require.ErrorContains(t, err, "LIO does not take", "and nobody writes to it")
	dr.Root("zfs", "set", "readonly=off", r.to)
	done, err = iscsi.Ensure(ctx, there, q)
	require.NoError(t, err, "%v", done)
	l, err = there.List(ctx)
	require.NoError(t, err)
	lu, found = l.Find(name)
	require.True(t, found)
	require.Len(t, lu.Paths, 1)
	require.Equal(t, 2, int(lu.Paths[0].Group), "another portal group")
	require.Zero(t, source.Initiator().Login(dr, q.Target, chapUser, chapSecret))
	require.Equal(t, written, source.Initiator().Digest(q.Target, 7))
	require.Equal(t, atSource, onlyDisk(t, source.Initiator(), q.Target), "page 0x83, LUN, serial number, vendor, product, sizes")
	require.Equal(t, q.Identity.NAA, atSource.NAA)
	source.Initiator().Logout(q.Target)
	refuseOthers(t, dr, q.Target, source.Initiator(), dr.Initiator())
}

// refuseOthers tries what a target with one grant must not let in.
func refuseOthers(t *testing.T, at TargetHost, target string, granted, other Initiator) {
	t.Helper()
	require.Equal(t, refused, granted.Login(at, target, chapUser, "wrongwrong1234"), "another secret")
	granted.Logout(target)
	require.NotZero(t, granted.Login(at, target, "", ""), "none")
	granted.Logout(target)
	require.NotZero(t, other.Login(at, target, chapUser, chapSecret), "an initiator that is not listed, with the right secret")
	other.Logout(target)
}

func onlyDisk(t *testing.T, i Initiator, target string) iscsi.Identity {
	t.Helper()
	disks := i.Disks(target)
	require.Len(t, disks, 1)
	require.NotEmpty(t, disks[0].Block)
	return disks[0].Identity
}

// Silent: ZFS says nothing where LIO has a volume open, so the guard must.
func Silent(t *testing.T, h TargetHost) {
	ctx := t.Context()
	name := unique()
	volume := h.Volume("mail", 16)
	h.Root("zfs", "snapshot", volume+"@a")
	published := h.Target(name)
	_, err := iscsi.Ensure(ctx, published, publication(h, name, volume, "iqn.2026-01.lab:nobody"))
	require.NoError(t, err)
	h.Write(volume, 0, 1)
	h.Root("zfs", "rollback", volume+"@a")
	received, from := h.Pool()+"/received", h.Volume("from", 16)
	h.Root("zfs", "snapshot", from+"@a")
	_, to := h.Pipe([]string{"zfs", "send", from + "@a"}, []string{"zfs", "receive", "-u", "-o", "readonly=off", "-o", "volmode=dev", received})
	require.Zero(t, to.Status, to.Err)
	h.Await("/dev/zvol/" + received)
	second := unique()
	again := h.Target(second)
	_, err = iscsi.Ensure(ctx, again, publication(h, second, received, "iqn.2026-01.lab:nobody"))
	require.NoError(t, err)
	h.Write(received, 0, 1)
	h.Write(from, 4, 1)
	h.Root("zfs", "snapshot", from+"@b")
	increment := []string{"zfs", "send", "-i", "@a", from + "@b"}
	_, to = h.Pipe(increment, []string{"zfs", "receive", "-u", received})
	require.Contains(t, to.Err, "has been modified")
	_, to = h.Pipe(increment, []string{"zfs", "receive", "-u", "-F", received})
	require.Zero(t, to.Status, "with -F it is: %s", to.Err)
	require.Equal(t, h.Digest(from+"@b"), h.Digest(received+"@b"), "what was written is gone, under who has it open")
	_, err = again.Unpublish(ctx, second, false)
	require.NoError(t, err)
	h.Root("zfs", "set", "volsize=24M", volume)
	h.Root("zfs", "rename", volume, volume+"-2")
	require.Contains(t, h.Try(true, "zfs", "destroy", "-r", volume+"-2").Err, "busy", "only this one is refused")
	h.Root("zfs", "rename", volume+"-2", volume)

	l, err := published.List(ctx)
	require.NoError(t, err)
	require.ErrorIs(t, l.Free(volume, "roll back "+volume), fault.State)
	require.ErrorIs(t, l.Free(h.Pool(), "export "+h.Pool()), fault.State, "as it takes the volume along")
	_, err = published.Unpublish(ctx, name, false)
	require.NoError(t, err)
	l, err = published.List(ctx)
	require.NoError(t, err)
	require.NoError(t, l.Free(volume, "roll back "+volume))
	h.Root("zfs", "destroy", "-r", volume)
}
