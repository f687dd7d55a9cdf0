package runbooks_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

const mib = 1 << 20

// point is the n-th snapshot of a dataset, with its n as transaction group, and kind as the rest of its GUID.
func point(n int, kind uint64) live.ZSnapshot {
	at := time.Date(2026, 11, 20, n, 0, 0, 0, time.UTC)
	return live.ZSnapshot{Name: "nightshift_mail_" + at.Format("2006-01-02T15:04:05Z"), GUID: kind + uint64(n), CreateTXG: uint64(n), Creation: at, Written: 3 * mib}
}

// mailLab has a group of two volumes, of which one was replicated before.
func mailLab() *fixture {
	yes := true
	f := &fixture{lab: newLab(), state: &live.State{At: at, Instance: us}, params: map[string]string{"group": "mail"}}
	f.lab.Limits.Storage = 2
	f.lab.StorageHosts = []inventory.StorageHost{{Name: "ss1"}, {Name: "ss2"}}
	f.lab.ProtectionGroups = []inventory.ProtectionGroup{{Name: "mail", Source: inventory.ProtectionSource{Host: "ss1", Datasets: []string{"tank/mail", "tank/mail-log"}},
		Target: inventory.ProtectionTarget{Host: "ss2", Under: "backup/ss1"}, Every: plan.Duration(time.Hour), Noise: "1GiB",
		Send: inventory.Send{Compressed: &yes, LargeBlocks: &yes, Via: inventory.ViaDirect}}}
	pool := func(name string) []live.ZPool { return []live.ZPool{{Name: name, Health: "ONLINE"}} }
	f.state.Storage = []live.StorageHost{
		{Host: "ss1", Pools: pool("tank"), Datasets: []live.ZDataset{
			{Name: "tank/mail", Volume: true, GUID: 1<<63 + 1, Referenced: 700 * mib, Written: 12 * mib, Available: 1 << 40, Snapshots: []live.ZSnapshot{point(1, 100), point(2, 100)}},
			{Name: "tank/mail-log", Volume: true, GUID: 1<<63 + 2, Referenced: 300 * mib, Written: 12 * mib, Available: 1 << 40}}},
		{Host: "ss2", Pools: pool("backup"), Datasets: []live.ZDataset{
			{Name: "backup/ss1", GUID: 5, Available: 1 << 40},
			{Name: "backup/ss1/mail", Volume: true, GUID: 6, Snapshots: []live.ZSnapshot{point(1, 100)}}}},
	}
	return f
}

func (f *fixture) storage(host, dataset string) *live.ZDataset {
	h := find(f.state.Storage, func(h live.StorageHost) bool { return h.Host == host })
	return find(h.Datasets, func(d live.ZDataset) bool { return d.Name == dataset })
}

func (f *fixture) groupOf() *inventory.ProtectionGroup { return &f.lab.ProtectionGroups[0] }

func TestReplicateReadsBothSidesAndNothingElse(t *testing.T) {
	r, ok := runbooks.Lookup(runbooks.Replicate)
	require.True(t, ok)
	require.True(t, r.Reads.OnlyStorage)
	f := mailLab()
	require.Equal(t, []runbooks.StorageRead{{Host: "ss1", Datasets: []string{"tank/mail", "tank/mail-log"}},
		{Host: "ss2", Datasets: []string{"backup/ss1", "backup/ss1/mail", "backup/ss1/mail-log"}, Group: "mail", Under: "backup/ss1"}}, r.Reads.Storage(f.lab, f.params))
	require.Empty(t, r.Reads.Storage(f.lab, map[string]string{"group": "nothing"}))
	f.groupOf().Target.Host = "ss1"
	require.Len(t, r.Reads.Storage(f.lab, f.params), 1)
}

func TestReplicateHasTheLockOfItsGroup(t *testing.T) {
	p := runapi.Params{Runbook: runbooks.Replicate, Parameters: map[string]string{plan.ParamGroup: "mail"}}
	require.Equal(t, []string{"protection-group:mail"}, p.Scopes())
	p.Parameters = nil
	require.Equal(t, []string{"lab"}, p.Scopes(), "it ends with an error, and until then it is about anything")
	p = runapi.Params{Runbook: runbooks.PowerDown, Parameters: map[string]string{plan.ParamGroup: "mail"}}
	require.Equal(t, []string{"lab"}, p.Scopes())
}

func TestReplicateNeedsAGroupThatThereIs(t *testing.T) {
	r, _ := runbooks.Lookup(runbooks.Replicate)
	for group, want := range map[string]string{"": "it must be given: -p group=…, the protection group", "mall": `did you mean "mail"?`, "x": "there are mail"} {
		f := mailLab()
		f.params = map[string]string{"group": group}
		_, err := r.Plan(f.input())
		wrong := new(runbooks.ParameterError)
		require.ErrorAs(t, err, &wrong)
		require.Contains(t, wrong.Text, want)
	}
	f := mailLab()
	f.lab.ProtectionGroups = nil
	_, err := r.Plan(f.input())
	require.ErrorContains(t, err, "has no protectionGroups")
}

func TestReplicateStepsComeInTheirOrder(t *testing.T) {
	f := mailLab()
	f.groupOf().Hooks = inventory.SnapshotHooks{
		Before: &inventory.SnapshotHook{Command: []string{"systemctl", "stop", "smbd"}, At: "ss1", Timeout: minute},
		After:  &inventory.SnapshotHook{Command: []string{"systemctl", "start", "smbd"}, At: "ss1", Timeout: minute}}
	p := f.plan(t, runbooks.Replicate)
	require.Empty(t, p.Blockers)
	steps := map[string]plan.Step{}
	for _, s := range p.Steps {
		steps[s.ID] = s
	}
	after := steps["hook-after:mail"]
	require.True(t, after.Always)
	require.Equal(t, "hook-before:mail", after.OnlyAfter)
	require.Equal(t, []string{"snapshot:mail"}, after.Needs)
	for id, want := range map[string]plan.OnFailure{"mark-group:mail": plan.Abort, "hook-before:mail": plan.Abort, "snapshot:mail": plan.Abort,
		"record:mail": plan.Skip, "measure:mail": plan.Skip} {
		require.Equal(t, want, steps[id].OnFailure, "%s: the application is not to stand still until a person comes", id)
		require.True(t, steps[id].Own, "%s: whatever the run does with steps that fail", id)
	}
	require.False(t, steps["keep:mail"].Own)
	for _, id := range []string{"send:tank/mail", "send:tank/mail-log"} {
		require.Equal(t, []string{"snapshot:mail"}, steps[id].Needs)
		require.Equal(t, []string{"storage:ss1", "storage:ss2"}, steps[id].Holds)
		var sp plan.SendParams
		require.NoError(t, json.Unmarshal(steps[id].Params, &sp))
		require.Equal(t, f.storage("ss1", sp.Dataset).GUID, sp.GUID)
	}
	require.ElementsMatch(t, []string{"send:tank/mail", "send:tank/mail-log"}, steps["verify:mail"].Needs)
	require.Equal(t, []string{"verify:mail"}, steps["keep:mail"].Needs)
	require.Equal(t, map[string]int{"storage": 2}, p.Limits)
	require.Equal(t, []string{"mark-group:mail"}, steps["hook-before:mail"].Needs)
}

func TestAReplicaInAReplicaComesAfterIt(t *testing.T) {
	f := mailLab()
	f.groupOf().Source.Datasets = []string{"tank/vm/disk1", "tank/vm"}
	f.state.Storage[0].Datasets = []live.ZDataset{{Name: "tank/vm", GUID: 1}, {Name: "tank/vm/disk1", Volume: true, GUID: 2}}
	p := f.plan(t, runbooks.Replicate)
	require.Empty(t, p.Blockers)
	i := find(p.Steps, func(s plan.Step) bool { return s.ID == "send:tank/vm/disk1" })
	require.Equal(t, []string{"send:tank/vm", "snapshot:mail"}, i.Needs)
}

func TestWritesDoNotChangeThePlan(t *testing.T) {
	f := mailLab()
	before := f.plan(t, runbooks.Replicate).Hash()
	f.storage("ss1", "tank/mail").Written += mib
	require.Equal(t, before, f.plan(t, runbooks.Replicate).Hash(), "a plan that was shown can still be asked for")
}

func TestReplicateSaysWhatStandsInTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		bend          func(f *fixture)
		subject, text string
		remedy        string
	}{
		"a host does not answer": {func(f *fixture) { f.state.Storage[1] = live.StorageHost{Host: "ss2", Err: "no route"} }, "storage host ss2", "no route", "lab check"},
		"no dataset":             {func(f *fixture) { f.groupOf().Source.Datasets[1] = "tank/other" }, "dataset tank/other", "is not there on ss1", "source.datasets"},
		"no place":               {func(f *fixture) { f.groupOf().Target.Under = "backup/x" }, "dataset backup/x", "is not there on ss2", "prepare-storage"},
		"no parent": {func(f *fixture) {
			f.groupOf().Source.Datasets[1] = "tank/a/b"
			f.storage("ss1", "tank/mail-log").Name = "tank/a/b"
		}, "dataset backup/ss1/a/b", "backup/ss1/a is not there", "zfs create"},
		"no pool":          {func(f *fixture) { f.state.Storage[0].Pools = nil }, "pool tank", "not imported", "import it"},
		"a suspended pool": {func(f *fixture) { f.state.Storage[1].Pools[0].Health = "SUSPENDED" }, "pool backup", "SUSPENDED", "zpool status"},
		"a read-only pool": {func(f *fixture) { f.state.Storage[0].Pools[0].ReadOnly = true }, "pool tank", "no snapshot can be taken", "readonly"},
		"a lost base":      {func(f *fixture) { f.storage("ss1", "tank/mail").Snapshots = nil }, "dataset tank/mail", "no snapshot in common", "the choices: rename the replica"},
		"written to":       {func(f *fixture) { f.storage("ss2", "backup/ss1/mail").Written = 5 }, "dataset tank/mail", "was written to", "the choices: take it back"},
		"diverged": {func(f *fixture) {
			d := f.storage("ss2", "backup/ss1/mail")
			d.Snapshots = append(d.Snapshots, live.ZSnapshot{Name: "mine", GUID: 77, CreateTXG: 9, Written: 1})
		}, "dataset tank/mail", "does not know", "destroys @mine"},
		"no key": {func(f *fixture) {
			d := f.storage("ss1", "tank/mail")
			d.Encryption, d.KeyStatus = "aes-256-gcm", "unavailable"
		}, "dataset tank/mail", "its key is not loaded", "raw"},
		"no key where it is to lie": {func(f *fixture) {
			d := f.storage("ss2", "backup/ss1")
			d.Encryption, d.KeyStatus = "aes-256-gcm", "unavailable"
		}, "dataset tank/mail-log", "the key of backup/ss1 is not loaded on ss2", "load it"},
		"no key of the replica": {func(f *fixture) {
			d := f.storage("ss2", "backup/ss1/mail")
			d.Encryption, d.KeyStatus = "aes-256-gcm", "unavailable"
		}, "dataset tank/mail", "only a raw stream", "load its key"},
		"raw onto a replica that is not": {func(f *fixture) {
			f.groupOf().Send.Raw = true
			d := f.storage("ss1", "tank/mail")
			d.Encryption, d.KeyStatus = "aes-256-gcm", "unavailable"
		}, "dataset tank/mail", "a raw stream does not go onto it", "do not send raw"},
	} {
		t.Run(name, func(t *testing.T) {
			f := mailLab()
			c.bend(f)
			p := f.plan(t, runbooks.Replicate)
			require.NotEmpty(t, p.Blockers)
			b := p.Blockers[len(p.Blockers)-1]
			if i := len(p.Blockers); i > 1 {
				b = *find(p.Blockers, func(b plan.Finding) bool { return b.Subject == c.subject })
			}
			require.Equal(t, c.subject, b.Subject)
			require.Contains(t, b.Text, c.text)
			require.Contains(t, b.Remedy, c.remedy)
			require.Empty(t, p.Steps)
			require.Contains(t, p.Title, "blocked")
		})
	}
}

func TestReplicateWarns(t *testing.T) {
	f := mailLab()
	f.state.Storage[0].Pools[0].Health = "DEGRADED"
	f.storage("ss2", "backup/ss1").Available = 100 * mib
	f.storage("ss1", "tank/mail").Encryption = "aes-256-gcm"
	log := f.storage("ss1", "tank/mail-log")
	log.RefReservation, log.Available = 400*mib, 200*mib
	p := f.plan(t, runbooks.Replicate)
	require.Empty(t, p.Blockers)
	var subjects []string
	for _, w := range p.Warnings {
		subjects = append(subjects, w.Subject)
	}
	require.Equal(t, []string{"pool tank", "dataset tank/mail", "dataset backup/ss1", "dataset tank/mail-log"}, subjects)
}

// ZFS reserves again what a volume has for itself alone, and takes it from what nobody has: its own available has its unused
// reservation in it.
func TestReplicateWarnsOfAReservationThatASnapshotDoesNotFitBeside(t *testing.T) {
	const gib = 1 << 30
	for name, test := range map[string]struct {
		referenced, unused, free int64 // of 103 GiB that are reserved; free: in the pool
		says                     string
	}{
		"all is its own":                   {60 * gib, 43 * gib, 50 * gib, "its snapshot needs 60 GiB beside it, and 50 GiB are left"},
		"there is room":                    {60 * gib, 43 * gib, 70 * gib, ""},
		"all was in a snapshot since":      {60 * gib, 103 * gib, 0, ""},
		"most is of older snapshots":       {60 * gib, 93 * gib, 20 * gib, ""},
		"more is its own than is reserved": {150 * gib, 0, 50 * gib, "its snapshot needs 103 GiB beside it, and 50 GiB are left"},
	} {
		f := mailLab()
		d := f.storage("ss1", "tank/mail-log")
		d.RefReservation, d.Referenced, d.UsedByReservation, d.Available = 103*gib, test.referenced, test.unused, test.free+test.unused
		var said []string
		for _, w := range f.plan(t, runbooks.Replicate).Warnings {
			if w.Subject == "dataset tank/mail-log" {
				said = append(said, w.Text)
			}
		}
		if test.says == "" {
			require.Empty(t, said, name)
			continue
		}
		require.Len(t, said, 1, name)
		require.Contains(t, said[0], test.says, name)
	}
}

func TestReplicateWarnsOfAWrongClock(t *testing.T) {
	f := mailLab()
	f.state.Storage[0].Ahead = -3 * time.Hour
	p := f.plan(t, runbooks.Replicate)
	require.Empty(t, p.Blockers, "an old replica is worse")
	w := find(p.Warnings, func(w plan.Finding) bool { return w.Subject == "storage host ss1" })
	require.Contains(t, w.Text, "its clock is 3 h behind nightshift's")
}

func TestWhatWasBrokenOffGoesOn(t *testing.T) {
	f := mailLab()
	f.storage("ss2", "backup/ss1/mail").ResumeToken = "1-abc"
	p := f.plan(t, runbooks.Replicate)
	require.Empty(t, p.Blockers)
	require.Contains(t, find(p.Steps, func(s plan.Step) bool { return s.ID == "send:tank/mail" }).Title, "going on with what was broken off")

	f = mailLab()
	d := f.storage("ss2", "backup/ss1/mail")
	d.ResumeToken, d.Snapshots = "1-abc", nil
	require.Empty(t, f.plan(t, runbooks.Replicate).Blockers, "the part of a first one")
}
