package simlab

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
)

// node is a member of the lab's application cluster, and a client that is logged in by password.
func (r *rig) node(guest string) *sshexec.Client {
	r.t.Helper()
	s, ok := r.SSH(guest)
	require.True(r.t, ok)
	r.t.Setenv("NODE_PASSWORD", s.Password)
	target, err := sshexec.Resolve(r.ctx, guest, inventory.SSH{Address: s.Address, User: s.User, Password: "env:NODE_PASSWORD", HostKey: s.HostKey}, "")
	require.NoError(r.t, err)
	c, err := sshexec.Dial(r.ctx, target)
	require.NoError(r.t, err)
	r.t.Cleanup(c.Close)
	return c
}

func (r *rig) run(c *sshexec.Client, argv ...string) (int, string) {
	r.t.Helper()
	res, err := c.Query(r.ctx, argv)
	require.NoError(r.t, err)
	return res.Status, sshexec.Short(string(res.Stdout) + string(res.Stderr))
}

func TestAMemberThatGoesDownIsFenced(t *testing.T) {
	r := newRig(t, ClusterAppSpec())
	require.NoError(t, r.guest("pg01").ShutdownGuest(r.ctx))
	r.until("it is switched on again", func(l *Lab) bool { return l.Applications()["pg"].Fenced == 1 && l.Guests()["pg01"].Ready })
	require.Equal(t, 1, r.Applications()["pg"].Failovers)
	require.Equal(t, "running", r.Applications()["pg"].State)
	require.Zero(t, r.Count("PowerOnVM_Task", ""), "the cluster did it, and nobody of ours")
}

func TestStoppedAsAClusterNobodyIsFenced(t *testing.T) {
	r := newRig(t, ClusterAppSpec())
	c := r.node("pg01")
	status, out := r.run(c, "cluster", "status")
	require.Zero(t, status)
	require.Equal(t, "cluster pg is running, 2 of 2 members are up", out)
	status, _ = r.run(c, "cluster", "stop")
	require.Zero(t, status)
	status, out = r.run(c, "cluster", "status")
	require.Equal(t, 3, status)
	require.Equal(t, "cluster pg is stopped, 2 of 2 members are up", out)
	for _, name := range []string{"pg01", "pg02"} {
		require.NoError(t, r.guest(name).ShutdownGuest(r.ctx))
	}
	r.until("both are off", func(l *Lab) bool { return l.Guests()["pg01"].Power == guestOff && l.Guests()["pg02"].Power == guestOff })
	_, err := c.Query(r.ctx, []string{"cluster", "status"})
	require.ErrorIs(t, err, fault.Unreachable, "its server went down with the guest")
	_, err = r.guest("pg01").PowerOn(r.ctx)
	require.NoError(t, err)
	r.until("one is up", func(l *Lab) bool { return l.Guests()["pg01"].Ready })
	require.Equal(t, ApplicationState{State: "stopped"}, r.Applications()["pg"])
	require.Equal(t, guestOff, r.Guests()["pg02"].Power)
	require.Equal(t, 1, r.Count("cluster stop", "pg"))
}

func TestAClusterThatLosesAllItsMembersIsStopped(t *testing.T) {
	spec := ClusterAppSpec()
	spec.Applications[0].Fence = time.Hour
	r := newRig(t, spec)
	for _, name := range []string{"pg01", "pg02"} {
		_, err := r.guest(name).PowerOff(r.ctx)
		require.NoError(t, err)
	}
	r.until("it crashed", func(l *Lab) bool { return l.Applications()["pg"].Crashed == 1 })
	require.Equal(t, "stopped", r.Applications()["pg"].State)
	_, err := r.guest("pg01").PowerOn(r.ctx)
	require.NoError(t, err)
	r.until("one is up", func(l *Lab) bool { return l.Guests()["pg01"].Ready })
	status, out := r.run(r.node("pg01"), "cluster", "start")
	require.Equal(t, 1, status)
	require.Equal(t, "no quorum: 1 of 2 members are up, 2 are needed", out)
	_, err = r.guest("pg02").PowerOn(r.ctx)
	require.NoError(t, err)
	r.until("both are up", func(l *Lab) bool { return l.Guests()["pg02"].Ready })
	status, _ = r.run(r.node("pg02"), "cluster", "start")
	require.Zero(t, status)
	require.Equal(t, "running", r.Applications()["pg"].State)
	status, out = r.run(r.node("pg02"), "rm", "-rf", "/")
	require.Equal(t, 127, status)
	require.Contains(t, out, "not found")
}

func TestFaultsAtAMember(t *testing.T) {
	r := newRig(t, ClusterAppSpec())
	c := r.node("pg01")
	r.Inject(Fault{System: "ssh:pg01", Verb: "cluster status", Kind: Error, Status: 5, Times: 1})
	status, _ := r.run(c, "cluster", "status")
	require.Equal(t, 5, status)

	r.Inject(Fault{System: "ssh:pg01", Verb: "cluster stop", Kind: Drop, Times: 1})
	_, err := c.Query(r.ctx, []string{"cluster", "stop"})
	require.ErrorIs(t, err, fault.Unreachable)
	require.Zero(t, r.Count("cluster stop", "pg"), "it never arrived")

	r.Inject(Fault{System: "ssh:pg01", Verb: "cluster stop", Kind: LoseAnswer, Times: 1})
	_, err = r.node("pg01").Query(r.ctx, []string{"cluster", "stop"})
	require.ErrorIs(t, err, fault.Unreachable)
	r.until("it acted", func(l *Lab) bool { return l.Applications()["pg"].State == "stopped" })
	require.Equal(t, 1, r.Count("cluster stop", "pg"))
	r.until("it is known", func(l *Lab) bool { return l.Calls()[0].AnswerLost })

	restore := r.CutOff("ssh:pg01", 0)
	s, _ := r.SSH("pg01")
	_, err = sshexec.HostKey(r.ctx, inventory.SSH{Address: s.Address}, "")
	require.ErrorIs(t, err, fault.Unreachable)
	restore()
	_, err = sshexec.HostKey(r.ctx, inventory.SSH{Address: s.Address}, "")
	require.NoError(t, err)
}

// The lab file that the lab writes is a good one, and lets a client in at each member, by password and by key.
func TestTheLabFileHasItsApplications(t *testing.T) {
	r := newRig(t, ClusterAppSpec())
	path, err := r.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	lab, err := inventory.Load(path)
	require.NoError(t, err)
	a, ok := lab.ApplicationCluster("pg")
	require.True(t, ok)
	require.Equal(t, []string{"pg01", "pg02"}, a.Members)
	for _, at := range a.At {
		require.NoError(t, sshexec.Check(r.ctx, at, lab.Dir))
	}
	wrong := a.At[0]
	t.Setenv("WRONG", "wrong")
	wrong.Password = "env:WRONG"
	require.ErrorIs(t, sshexec.Check(r.ctx, wrong, lab.Dir), fault.Auth)
	require.Equal(t, Logins{OK: 1, Failed: 1}, r.Logins()["ssh:pg01"])
	require.Equal(t, Logins{OK: 1}, r.Logins()["ssh:pg02"])
	for _, secret := range r.Secrets() {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotContains(t, string(b), secret)
	}
	entries, err := os.ReadDir(filepath.Join(lab.Dir, "secrets"))
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode().Perm())
	}
}

func TestApplicationsThatCannotBe(t *testing.T) {
	for _, members := range [][]string{nil, {"nobody"}, {"pg01", "pg01"}} {
		spec := ClusterAppSpec()
		spec.Applications[0].Members = members
		_, err := Start(t.Context(), Config{Spec: spec})
		require.ErrorContains(t, err, `application cluster "pg"`)
	}
}
