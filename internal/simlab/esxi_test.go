package simlab

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/vsphere"
)

// direct is nightshift's own client at a host's own API. It trusts the certificate by its fingerprint.
func (r *rig) direct(name, password string) (*vsphere.Client, error) {
	r.t.Helper()
	x := r.ESXi(name)
	r.t.Setenv("SIMLAB_ESXI_PASSWORD", password)
	e, err := endpoint.Resolve(r.ctx, "ESXi "+name, inventory.Endpoint{
		URL: x.URL, User: x.User, Password: "env:SIMLAB_ESXI_PASSWORD", TLS: inventory.TLS{Fingerprint: x.Fingerprint},
	}, r.t.TempDir())
	require.NoError(r.t, err)
	c, err := vsphere.Connect(r.ctx, e)
	if err == nil {
		r.t.Cleanup(func() { _ = c.Close(context.WithoutCancel(r.ctx)) }) // the host may be off by then
	}
	return c, err
}

func (r *rig) esxi(name string) *vsphere.Client {
	r.t.Helper()
	c, err := r.direct(name, r.ESXi(name).Password)
	require.NoError(r.t, err)
	return c
}

// task waits for a task at a host's own API and says which fault it ended with.
func (r *rig) task(c *vsphere.Client, ref string, err error) string {
	r.t.Helper()
	require.NoError(r.t, err)
	info, err := c.Task(r.ctx, ref)
	for ; err == nil && info.State != vsphere.TaskSuccess && info.State != vsphere.TaskError; info, err = c.Task(r.ctx, ref) {
		select {
		case <-r.ctx.Done():
			require.Fail(r.t, "a task never ended")
		case <-time.After(5 * time.Millisecond):
		}
	}
	require.NoError(r.t, err)
	if info.Err != nil {
		return info.Err.Error()
	}
	return ""
}

func byName[T any](list []T, name func(T) string) map[string]T {
	out := map[string]T{}
	for _, v := range list {
		out[name(v)] = v
	}
	return out
}

func guestsByName(list []live.Guest) map[string]live.Guest {
	return byName(list, func(g live.Guest) string { return g.Name })
}

func TestAHostTellsOfItself(t *testing.T) {
	r := newRig(t, SmallSpec())
	c := r.esxi("esx21")
	require.Equal(t, "HostAgent", c.About().APIType)
	in, err := c.Inspect(r.ctx)
	require.NoError(t, err)
	require.Empty(t, in.Warnings)
	require.Len(t, in.Hosts, 1)
	h, spec := in.Hosts[0], r.Spec().Hosts[0]
	require.Equal(t, "ha-host", h.Ref)
	require.Equal(t, "esx21", h.Name)
	require.Equal(t, spec.UUID, h.UUID)
	require.Equal(t, spec.Serial, h.Serial)
	require.Equal(t, "7.0.3", h.Version)
	require.Equal(t, live.Connected, h.Connection)
	require.Empty(t, h.Cluster)
	require.False(t, h.ReadOnly)
	guests := guestsByName(in.Guests)
	require.Contains(t, guests, "dc01")
	require.Contains(t, guests, "db01")
	require.NotContains(t, guests, "web01", "it is on the other host")
	g := guests["dc01"]
	require.Equal(t, r.Spec().Guests[0].UUID, g.UUID)
	require.Equal(t, r.Spec().Guests[0].BIOSUUID, g.BIOSUUID)
	require.Equal(t, live.PoweredOn, g.Power)
	require.True(t, g.Tools)
	require.NotEqual(t, r.guest("dc01").Reference().Value, g.Ref, "a host has ids of its own")
	require.Regexp(t, `^[0-9]+$`, g.Ref)
	require.Equal(t, r.ESXiRef("dc01"), g.Ref)
	require.Len(t, in.Datastores, 1)
	require.Equal(t, "shared01", in.Datastores[0].Name)
	require.True(t, in.Datastores[0].Accessible)
	ref, err := c.FindGuest(r.ctx, g.UUID)
	require.NoError(t, err)
	require.Equal(t, g.Ref, ref)
	require.Empty(t, r.Calls(), "reading is not recorded")
	require.Equal(t, Logins{OK: 1}, r.Logins()["esxi:esx21"])
}

func TestWhatIsDoneAtAHostIsDoneInTheLab(t *testing.T) {
	r := newRig(t, SmallSpec())
	c := r.esxi("esx21")
	dc, db := r.refAt(c, "dc01"), r.refAt(c, "db01")
	require.NoError(t, c.ShutdownGuest(r.ctx, dc))
	r.shows(r.guest("dc01").Reference(), "runtime.powerState", types.VirtualMachinePowerStatePoweredOff)
	require.Equal(t, 1, r.Count("ShutdownGuest", "dc01"))
	require.Equal(t, "esxi:esx21", r.Calls()[0].System)

	ref, err := c.SuspendGuest(r.ctx, db)
	require.Empty(t, r.task(c, ref, err))
	require.Equal(t, guestSuspended, r.Guests()["db01"].Power)
	ref, err = c.PowerOnGuest(r.ctx, db)
	require.Empty(t, r.task(c, ref, err))
	ref, err = c.PowerOffGuest(r.ctx, db)
	require.Empty(t, r.task(c, ref, err))
	tasks, err := c.TasksSince(r.ctx, db, time.Now().Add(-time.Minute))
	require.NoError(t, err)
	var names []string
	for _, i := range tasks {
		names = append(names, i.Name)
	}
	require.Contains(t, names, "VirtualMachine.powerOff")

	// And the other way round: what vCenter does, the host shows.
	require.Equal(t, "", r.ends(r.guest("db01").PowerOn(r.ctx)))
	g, err := c.Guest(r.ctx, db)
	require.NoError(t, err)
	require.Equal(t, live.PoweredOn, g.Power)
}

func (r *rig) refAt(c *vsphere.Client, name string) string {
	r.t.Helper()
	for _, g := range r.Spec().Guests {
		if g.Name == name {
			ref, err := c.FindGuest(r.ctx, g.UUID)
			require.NoError(r.t, err)
			return ref
		}
	}
	require.Fail(r.t, "no such guest")
	return ""
}

// TestAHostGoesDownAndUpByItself is what is done where the vCenter is down already.
func TestAHostGoesDownAndUpByItself(t *testing.T) {
	s := SmallSpec()
	s.Clusters[0].VCLS = 0
	r := newRig(t, s)
	c := r.esxi("esx21")
	dc := r.refAt(c, "dc01")
	boot, err := c.TasksSince(r.ctx, "ha-host", time.Now())
	require.NoError(t, err)
	_, err = c.ShutdownHost(r.ctx, "ha-host", false)
	require.NoError(t, err)
	require.Equal(t, on, r.Hosts()["esx21"].Power, "not in maintenance mode")
	enter, err := c.EnterMaintenance(r.ctx, "ha-host", 0)
	require.NoError(t, err)
	r.guestsOff("dc01", "db01")
	require.Empty(t, r.task(c, enter, nil))
	require.True(t, r.Hosts()["esx21"].Maintenance)
	ref, err := c.PowerOnGuest(r.ctx, dc)
	require.NotEmpty(t, r.task(c, ref, err), "no guest starts in maintenance mode")
	_, err = c.ShutdownHost(r.ctx, "ha-host", false)
	require.NoError(t, err)
	r.until("off", func(l *Lab) bool { return l.Hosts()["esx21"].Power == off })
	_, err = c.Host(r.ctx, "ha-host")
	require.ErrorIs(t, err, fault.Unreachable)
	_, err = r.direct("esx21", r.ESXi("esx21").Password)
	require.ErrorIs(t, err, fault.Unreachable)

	require.Equal(t, 204, r.idrac("esx21").reset("On"))
	r.until("ESXi up", func(l *Lab) bool { return l.Hosts()["esx21"].Running })
	c = r.esxi("esx21")
	h, err := c.OwnHost(r.ctx)
	require.NoError(t, err)
	require.True(t, h.Maintenance)
	again, err := c.TasksSince(r.ctx, "ha-host", time.Now())
	require.NoError(t, err)
	require.Len(t, again, 1, "its tasks are forgotten")
	require.NotEqual(t, boot[0].Ref, again[0].Ref, "it says that it was booted")
	require.Equal(t, dc, r.refAt(c, "dc01"), "ids outlive a boot")
	ref, err = c.ExitMaintenance(r.ctx, "ha-host", 0)
	require.Empty(t, r.task(c, ref, err))
	r.until("storage", func(l *Lab) bool { return l.Hosts()["esx21"].Storage })
	ref, err = c.PowerOnGuest(r.ctx, dc)
	require.Empty(t, r.task(c, ref, err))
	require.Equal(t, 2, r.Count("ShutdownHost_Task", "esx21"))
	require.Equal(t, Logins{OK: 2}, r.Logins()["esxi:esx21"])
}

func TestAHostByItselfMovesNoVCLS(t *testing.T) {
	r := newRig(t, SmallSpec())
	r.guestsOff("dc01", "db01")
	c := r.esxi("esx21")
	ref, err := c.EnterMaintenance(r.ctx, "ha-host", time.Second)
	require.NotEmpty(t, r.task(c, ref, err), "its vCLS VM keeps it")
	require.False(t, r.Hosts()["esx21"].Maintenance)
}

func TestAHostIsSilentWithoutItsManagementNetwork(t *testing.T) {
	r := newRig(t, SmallSpec())
	c := r.esxi("esx21")
	restore := r.CutOff("host:esx21", 0)
	_, err := c.OwnHost(r.ctx)
	require.ErrorIs(t, err, fault.Unreachable)
	require.Equal(t, guestOn, r.Guests()["dc01"].Power)
	restore()
	_, err = c.OwnHost(r.ctx)
	require.NoError(t, err, "the session is still good")
	require.Equal(t, Logins{OK: 1}, r.Logins()["esxi:esx21"])
}

func TestLockdownRefusesTheLogin(t *testing.T) {
	for _, mode := range []string{"lockdownNormal", "lockdownStrict"} {
		s := SmallSpec()
		s.Hosts[0].Lockdown = mode
		r := newRig(t, s)
		_, err := r.direct("esx21", r.ESXi("esx21").Password)
		require.Error(t, err, mode)
		require.NotErrorIs(t, err, fault.Unreachable)
		require.Equal(t, Logins{Failed: 1}, r.Logins()["esxi:esx21"])
		require.False(t, r.Locked("esxi:esx21"))
		var m mo.HostSystem
		r.props(r.host("esx21").Reference(), &m, "config.lockdownMode")
		require.Equal(t, mode, string(m.Config.LockdownMode))
	}
}

func TestTheFreeLicenceOnlyReads(t *testing.T) {
	s := SmallSpec()
	s.Hosts[0].FreeLicense = true
	r := newRig(t, s)
	c := r.esxi("esx21")
	h, err := c.OwnHost(r.ctx)
	require.NoError(t, err)
	require.True(t, h.ReadOnly)
	require.Error(t, c.ShutdownGuest(r.ctx, r.refAt(c, "dc01")))
	require.Equal(t, "RestrictedVersion", r.Calls()[0].Result)
	require.Equal(t, guestOn, r.Guests()["dc01"].Power)
}

func TestTooManyWrongPasswordsLockTheAccount(t *testing.T) {
	r := newRig(t, SmallSpec())
	for i := range loginsAllowed {
		require.False(t, r.Locked("esxi:esx21"), "after %d", i)
		_, err := r.direct("esx21", "wrong")
		require.ErrorIs(t, err, fault.Auth)
	}
	require.True(t, r.Locked("esxi:esx21"))
	_, err := r.direct("esx21", r.ESXi("esx21").Password)
	require.ErrorIs(t, err, fault.Auth, "the right password, too")
	require.False(t, r.Locked("vcenter"))
	require.Eventually(t, func() bool { return !r.Locked("esxi:esx21") }, time.Minute, 10*time.Millisecond)
	_, err = r.direct("esx21", r.ESXi("esx21").Password)
	require.NoError(t, err)

	for range loginsAllowed {
		_, err := login(r.ctx, r.Lab, r.Spec().User, "wrong")
		require.Error(t, err)
	}
	require.True(t, r.Locked("vcenter"))
}

func TestFaultsAtAHost(t *testing.T) {
	r := newRig(t, SmallSpec())
	c := r.esxi("esx21")
	r.Inject(Fault{System: "esxi:esx21", Verb: "PowerOffVM_Task", Target: "dc01", Kind: LoseAnswer, Times: 1})
	_, err := c.PowerOffGuest(r.ctx, r.refAt(c, "dc01"))
	require.Error(t, err)
	r.until("it acted", func(l *Lab) bool { return l.Guests()["dc01"].Power == guestOff })
	require.Equal(t, 1, r.Count("PowerOffVM_Task", "dc01"))
	require.True(t, r.Calls()[0].AnswerLost)
	restore := r.CutOff("esxi:esx21", 0)
	_, err = c.OwnHost(r.ctx)
	require.ErrorIs(t, err, fault.Unreachable)
	restore()
	_, err = c.OwnHost(r.ctx)
	require.NoError(t, err)
}

func TestGuestsThatMoveLeaveTheirHostsAPI(t *testing.T) {
	r := newRig(t, SmallSpec())
	from, to := r.esxi("esx21"), r.esxi("esx22")
	old := r.refAt(from, "dc01")
	require.NoError(t, r.Move("dc01", "esx22"))
	_, err := from.Guest(r.ctx, old)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = to.Guest(r.ctx, r.refAt(to, "dc01"))
	require.NoError(t, err)
	require.NoError(t, r.Move("dc01", "esx21"))
	require.Equal(t, old, r.refAt(from, "dc01"), "it comes back to its old id")
	require.Equal(t, 204, r.idrac("esx21").reset("ForceOff"))
	r.until("HA restarts dc01", func(l *Lab) bool { g := l.Guests()["dc01"]; return g.Ready && g.Host == "esx22" })
	require.Eventually(t, func() bool { return r.ESXiRef("dc01") != "" }, time.Minute, time.Millisecond)
	g, err := to.Guest(r.ctx, r.refAt(to, "dc01"))
	require.NoError(t, err)
	require.Equal(t, live.PoweredOn, g.Power)
	require.Equal(t, 204, r.idrac("esx21").reset("On"))
	r.until("ESXi up", func(l *Lab) bool { return l.Hosts()["esx21"].Running })
	_, err = r.esxi("esx21").Guest(r.ctx, old)
	require.ErrorIs(t, err, fault.NotFound)
}

func TestTheLabFileNamesHostsOwnAPIs(t *testing.T) {
	s := SmallSpec()
	s.Hosts[0].Direct = true
	r := newRig(t, s)
	path, err := r.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	lab, err := inventory.Load(path)
	require.NoError(t, err)
	byHost := byName(lab.Hosts, func(h inventory.Host) string { return h.Name })
	require.Nil(t, byHost["esx22"].ESXi)
	e := byHost["esx21"].ESXi
	require.NotNil(t, e)
	require.Equal(t, "root", e.User)
	u, err := url.Parse(e.URL)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(u.Host, "127.0.0.1:"))
	require.Contains(t, r.Secrets(), r.ESXi("esx21").Password)
	res, err := endpoint.Resolve(r.ctx, "ESXi esx21", *e, "")
	require.NoError(t, err)
	c, err := vsphere.Connect(r.ctx, res)
	require.NoError(t, err)
	require.NoError(t, c.Close(r.ctx))
}
