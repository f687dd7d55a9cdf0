package runbooks_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

// hourly is a point of a number of hours before the fixture's moment; what is older has the smaller transaction group.
func hourly(ago int, kind uint64) live.ZSnapshot {
	when := at.Add(-time.Duration(ago) * time.Hour)
	return live.ZSnapshot{Name: "nightshift_mail_" + when.Format("2006-01-02T15:04:05Z"), GUID: kind + uint64(ago), CreateTXG: uint64(1_000_000 - ago), Creation: when}
}

func history(kind uint64, from, to int) (list []live.ZSnapshot) {
	for ago := from; ago >= to; ago-- {
		list = append(list, hourly(ago, kind))
	}
	return list
}

// pruneLab has a group of two volumes with a point for each hour of five days; the last three are not on the target yet.
func pruneLab() *fixture {
	f := mailLab()
	f.groupOf().Keep = inventory.Retentions{Zone: "UTC", Source: &inventory.Retention{All: 6 * 60 * minute, Daily: 2}, Target: &inventory.Retention{All: 6 * 60 * minute, Daily: 3, Weekly: 2, Weekday: "Sun"}}
	for i, name := range []string{"mail", "mail-log"} {
		kind := uint64(10_000 * (i + 1))
		source := f.storage("ss1", "tank/"+name)
		source.Snapshots = history(kind, 120, 1)
		target := f.state.Storage[1].Dataset("backup/ss1/" + name)
		if target == nil {
			f.state.Storage[1].Datasets = append(f.state.Storage[1].Datasets, live.ZDataset{Name: "backup/ss1/" + name, Volume: true, GUID: 7})
			target = f.state.Storage[1].Dataset("backup/ss1/" + name)
		}
		target.Snapshots = history(kind, 120, 4)
		f.hold("ss1", "tank/"+name, hourly(4, 0).Name, "nightshift:mail")
		f.hold("ss2", "backup/ss1/"+name, hourly(4, 0).Name, "nightshift:mail")
	}
	d := f.storage("ss1", "tank/mail")
	d.Snapshots = append(d.Snapshots, live.ZSnapshot{Name: "weekly", GUID: 5, CreateTXG: 999_950}, live.ZSnapshot{Name: "by hand", GUID: 6, CreateTXG: 999_960},
		live.ZSnapshot{Name: "nightshift_web_2026-11-19T00:00:00Z", GUID: 7, CreateTXG: 999_970})
	f.snapshot("ss1", "tank/mail", hourly(40, 0).Name).Clones = []string{"tank/mail-test"}
	f.hold("ss1", "tank/mail", hourly(50, 0).Name, "keep-me")
	return f
}

func (f *fixture) snapshot(host, dataset, name string) *live.ZSnapshot {
	return f.storage(host, dataset).Snapshot(name)
}

func (f *fixture) hold(host, dataset, snapshot, tag string) {
	f.snapshot(host, dataset, snapshot).Holds++
	h := find(f.state.Storage, func(h live.StorageHost) bool { return h.Host == host })
	h.Holds = append(h.Holds, live.ZHold{Snapshot: dataset + "@" + snapshot, Tag: tag})
}

// destroyed are the points that a plan destroys, by host and dataset.
func destroyed(t *testing.T, p plan.Plan) map[string][]string {
	t.Helper()
	gone := map[string][]string{}
	for _, s := range p.Steps {
		if s.Action == plan.DestroyPoints {
			of := pointsOf(t, s)
			for _, x := range of.Points {
				gone[of.Host+":"+of.Dataset] = append(gone[of.Host+":"+of.Dataset], x.Name)
			}
		}
	}
	return gone
}

func pointsOf(t *testing.T, s plan.Step) (of plan.PointsParams) {
	t.Helper()
	require.NoError(t, json.Unmarshal(s.Params, &of))
	return of
}

// row finds what a plan says of a snapshot that stands alone in its row.
func row(t *testing.T, p plan.Plan, dataset, name string) plan.RollupRow {
	t.Helper()
	r := find(p.Rollups, func(r plan.Rollup) bool { return r.Dataset == dataset })
	return *find(r.Rows, func(x plan.RollupRow) bool { return x.First == name && x.Last == name })
}

func TestPruneReadsBothSidesWithTheirHolds(t *testing.T) {
	r, ok := runbooks.Lookup(runbooks.Prune)
	require.True(t, ok)
	require.True(t, r.Reads.OnlyStorage)
	reads := r.Reads.Storage(pruneLab().lab, map[string]string{"group": "mail"})
	require.Len(t, reads, 2)
	for _, read := range reads {
		require.True(t, read.Holds)
	}
	require.Equal(t, []string{"protection-group:mail"}, runapi.Params{Runbook: runbooks.Prune, Parameters: map[string]string{"group": "mail"}}.Scopes())
}

func TestEachSideHasItsOwnPolicy(t *testing.T) {
	f := pruneLab()
	p := f.plan(t, runbooks.Prune)
	require.Empty(t, p.Blockers)
	gone := destroyed(t, p)
	require.Len(t, gone["ss1:tank/mail-log"], 120-5-1, "of five days: those of five hours, and the last of a day before")
	require.Len(t, gone["ss2:backup/ss1/mail-log"], 117-2-3, "those of two hours, and the last ones of two days and a week before")
	require.Len(t, gone["ss1:tank/mail"], 120-5-1-2, "the cloned one and the held one stay")
	require.Equal(t, "Prune group mail: destroy 226 of 240 recovery points on ss1 and 224 of 234 recovery points on ss2", p.Title)
	for _, s := range p.Steps[1 : len(p.Steps)-1] {
		require.Equal(t, plan.Skip, s.OnFailure, "one failure does not stop the rest")
		require.Equal(t, []string{"mark-group:mail"}, s.Needs)
		of := pointsOf(t, s)
		require.LessOrEqual(t, len(of.Points), plan.MostPoints)
		require.Equal(t, []string{"storage:" + of.Host}, s.Holds)
		require.Equal(t, f.storage(of.Host, of.Dataset).GUID, of.GUID)
		require.Equal(t, hourly(4, 0).GUID%10_000, of.Common%10_000)
		for _, x := range of.Points {
			require.Equal(t, f.snapshot(of.Host, of.Dataset, x.Name).GUID, x.GUID)
		}
	}
	require.Len(t, p.Steps, 1+8+1, "a hundred at a time")
}

// Safety rule 7: a snapshot that is held, cloned, in flight or the last common one is never destroyed.
func TestPruneDestroysNothingThatIsNeeded(t *testing.T) {
	oldest, common := hourly(120, 0).Name, hourly(4, 0).Name
	for name, c := range map[string]struct {
		bend          func(f *fixture)
		host, dataset string
		snapshot, why string
	}{
		"held":                     {func(f *fixture) { f.hold("ss1", "tank/mail", oldest, "theirs") }, "ss1", "tank/mail", oldest, "held: theirs"},
		"held, by a tag of nobody": {func(f *fixture) { f.snapshot("ss1", "tank/mail", oldest).Holds = 1 }, "ss1", "tank/mail", oldest, "held: 1"},
		"held by us":               {func(f *fixture) { f.hold("ss2", "backup/ss1/mail", oldest, "nightshift:mail") }, "ss2", "backup/ss1/mail", oldest, "held by nightshift"},
		"cloned":                   {func(f *fixture) { f.snapshot("ss2", "backup/ss1/mail", oldest).Clones = []string{"backup/test"} }, "ss2", "backup/ss1/mail", oldest, "cloned: backup/test"},
		"being sent":               {func(f *fixture) { f.hold("ss1", "tank/mail", oldest, ".send-1-1") }, "ss1", "tank/mail", oldest, "in flight"},
		"the last common one, on the source": {func(f *fixture) {
			f.storage("ss2", "backup/ss1/mail").Snapshots = history(10_000, 120, 120)
		}, "ss1", "tank/mail", oldest, "the last common one"},
		"the last common one, on the target": {func(f *fixture) {
			f.storage("ss1", "tank/mail").Snapshots = append(history(10_000, 119, 119), history(70_000, 118, 1)...)
		}, "ss2", "backup/ss1/mail", hourly(119, 0).Name, "the last common one"},
		"what a bookmark is left of": {func(f *fixture) {
			d := f.storage("ss1", "tank/mail")
			d.Snapshots = history(70_000, 118, 1)
			d.Bookmarks = []live.ZBookmark{{Name: oldest, GUID: hourly(120, 10_000).GUID, CreateTXG: 1}}
		}, "ss2", "backup/ss1/mail", oldest, "the last common one"},
		"what the rest of a stream needs": {func(f *fixture) {
			f.storage("ss2", "backup/ss1/mail").ResumeToken = "1-abc"
			f.storage("ss2", "backup/ss1/mail").Snapshots = history(10_000, 120, 120)
		}, "ss1", "tank/mail", hourly(119, 0).Name, "in flight"},
		"what the rest of a stream lies on": {func(f *fixture) {
			d := f.storage("ss2", "backup/ss1/mail")
			d.ResumeToken = "1-abc"
			d.Snapshots = append(d.Snapshots, live.ZSnapshot{Name: "mine", GUID: 3, CreateTXG: 2_000_000})
			f.snapshot("ss2", "backup/ss1/mail", oldest).Clones = []string{"backup/ss1/mail/%recv"}
		}, "ss2", "backup/ss1/mail", oldest, "in flight"},
	} {
		t.Run(name, func(t *testing.T) {
			f := pruneLab()
			f.groupOf().Keep.Source, f.groupOf().Keep.Target = &inventory.Retention{All: minute}, &inventory.Retention{All: minute}
			before := destroyed(t, f.plan(t, runbooks.Prune))[c.host+":"+c.dataset]
			require.Contains(t, before, oldest, "else the test shows nothing")
			c.bend(f)
			p := f.plan(t, runbooks.Prune)
			require.NotContains(t, destroyed(t, p)[c.host+":"+c.dataset], c.snapshot)
			r := find(p.Rollups, func(r plan.Rollup) bool { return r.Host == c.host && r.Dataset == c.dataset })
			i := slices.IndexFunc(r.Rows, func(x plan.RollupRow) bool {
				return x.First <= c.snapshot && c.snapshot <= x.Last && x.What == "protected"
			})
			require.GreaterOrEqual(t, i, 0, "%+v", r.Rows)
			require.Contains(t, r.Rows[i].Why, c.why)
			require.NotContains(t, destroyed(t, p)["ss1:tank/mail"], common)
		})
	}
}

func TestForeignSnapshotsAreNeverTouched(t *testing.T) {
	f := pruneLab()
	f.groupOf().Keep.Source = &inventory.Retention{All: minute}
	p := f.plan(t, runbooks.Prune)
	for _, names := range destroyed(t, p) {
		for _, name := range names {
			require.Regexp(t, `^nightshift_mail_2026-`, name)
		}
	}
	said := func(f *fixture) (list []string) {
		for _, w := range f.plan(t, runbooks.Prune).Warnings {
			if w.Subject == "group web" {
				list = append(list, w.Text)
			}
		}
		return list
	}
	require.Equal(t, []string{"1 snapshot on ss1: the lab file does not have that group, so no run destroys any"}, said(f), "as after a rename: nobody frees them")
	web := *f.groupOf()
	web.Name = "web"
	f.lab.ProtectionGroups = append(f.lab.ProtectionGroups, web)
	require.Empty(t, said(f))
	require.Equal(t, "foreign: of group web", row(t, p, "tank/mail", "nightshift_web_2026-11-19T00:00:00Z").Why)
	r := p.Rollups[0].Rows
	require.Equal(t, plan.RollupRow{What: "protected", Why: "foreign: not made by nightshift", First: "weekly", Last: "by hand", Count: 2}, r[len(r)-1])
}

// By nightshift's clock points are old. Where that of a storage host says otherwise, one of them is wrong.
func TestNothingIsDestroyedByAWrongClock(t *testing.T) {
	for ahead, says := range map[time.Duration]string{26 * time.Hour: "its clock is 26 h ahead of nightshift's", -2 * time.Hour: "its clock is 2 h behind nightshift's",
		30 * time.Minute: ""} {
		for i, host := range []string{"ss1", "ss2"} {
			f := pruneLab()
			f.state.Storage[i].Ahead = ahead
			p := f.plan(t, runbooks.Prune)
			if says == "" {
				require.Empty(t, p.Blockers)
				continue
			}
			require.Len(t, p.Blockers, 1)
			require.Equal(t, "storage host "+host, p.Blockers[0].Subject)
			require.Equal(t, says+". Nobody knows how old recovery points are, so nothing is destroyed", p.Blockers[0].Text)
		}
	}
}

func TestWhereOneSideIsNotKnownNothingIsDestroyed(t *testing.T) {
	f := pruneLab()
	f.state.Storage[1] = live.StorageHost{Host: "ss2", Err: "no route to host"}
	p := f.plan(t, runbooks.Prune)
	require.Empty(t, p.Steps)
	require.Equal(t, "storage host ss2", p.Blockers[0].Subject)
	require.Contains(t, p.Blockers[0].Text, "no route to host. Nobody knows what both sides have, so nothing is destroyed")
	require.Contains(t, fmt.Sprint(p.Rollups[0].Rows), "perhaps the last common one: ss2 cannot be read")

	f = pruneLab()
	f.state.Storage[1].Datasets = f.state.Storage[1].Datasets[:1]
	p = f.plan(t, runbooks.Prune)
	require.Empty(t, p.Steps, "the replicas may have been set aside")
	require.Empty(t, p.Blockers)
	require.Contains(t, fmt.Sprint(p.Warnings), "backup/ss1/mail-log: is not there on ss2")
	require.Contains(t, fmt.Sprint(p.Rollups), "perhaps the last common one: backup/ss1/mail-log is not there on ss2")

	f = pruneLab()
	f.state.Storage[0].Datasets = f.state.Storage[0].Datasets[:1]
	gone := destroyed(t, f.plan(t, runbooks.Prune))
	require.NotContains(t, gone, "ss2:backup/ss1/mail-log", "the replica is all that is left")
	require.Contains(t, gone, "ss2:backup/ss1/mail")
}

// One dataset has lost the last point of a day: the last that all of the group have stays, too.
func TestThereIsAWholePointOfEachPeriod(t *testing.T) {
	f := pruneLab()
	before := hourly(24, 0).Name // 22:00 of the day before
	require.Contains(t, destroyed(t, f.plan(t, runbooks.Prune))["ss1:tank/mail"], before)
	log := f.storage("ss1", "tank/mail-log")
	log.Snapshots = slices.DeleteFunc(log.Snapshots, func(s live.ZSnapshot) bool { return s.Name == hourly(23, 0).Name })
	p := f.plan(t, runbooks.Prune)
	require.Equal(t, "last of 2026-11-19", row(t, p, "tank/mail-log", before).Why)
	for _, stays := range []string{before, hourly(23, 0).Name} {
		require.NotContains(t, destroyed(t, p)["ss1:tank/mail"], stays)
	}
}

func TestASideWithoutAPolicyIsNotPruned(t *testing.T) {
	f := pruneLab()
	f.groupOf().Keep.Source = nil
	p := f.plan(t, runbooks.Prune)
	require.Equal(t, []plan.Finding{{Subject: "group mail on ss1", Text: "the lab file has no keep.source, so all of it stays"}}, p.Untouched)
	require.NotContains(t, destroyed(t, p), "ss1:tank/mail")
	f.groupOf().Keep.Target = nil
	p = f.plan(t, runbooks.Prune)
	require.Empty(t, p.Steps)
	require.Equal(t, "Nothing to do: no recovery point of group mail is to be destroyed", p.Title)
}

func TestDanglingHoldsAreOfferedAndReleasedOnlyByAPerson(t *testing.T) {
	f := pruneLab()
	old := []string{hourly(110, 0).Name, hourly(109, 0).Name}
	for _, name := range old {
		f.hold("ss1", "tank/mail", name, "nightshift:mail")
	}
	p := f.plan(t, runbooks.Prune)
	w := p.Warnings[1] // the first is about a group that the lab file does not have
	require.Equal(t, "dataset tank/mail", w.Subject)
	require.Equal(t, "nightshift holds 2 snapshots on ss1 that nothing needs any more: "+old[0]+", "+old[1], w.Text)
	require.Contains(t, w.Remedy, "nightshift run prune -p group=mail -p release=true")
	require.NotContains(t, destroyed(t, p)["ss1:tank/mail"], old[0])

	f.params["release"] = "true"
	p = f.plan(t, runbooks.Prune)
	release := p.Steps[1]
	require.Equal(t, plan.ReleaseHolds, release.Action)
	require.Equal(t, "Take nightshift's hold from 2 snapshots of tank/mail: 2026-11-16T08:00:00Z to 2026-11-16T09:00:00Z", release.Title)
	require.Len(t, pointsOf(t, release).Points, 2)
	require.Equal(t, []string{"mark-group:mail"}, release.Needs)
	require.Equal(t, []string{release.ID}, p.Steps[2].Needs)
	require.Subset(t, destroyed(t, p)["ss1:tank/mail"], old)
	require.Contains(t, p.Title, "take away 2 holds on ss1, destroy")

	f.hold("ss1", "tank/mail", old[0], "theirs")
	require.NotContains(t, destroyed(t, f.plan(t, runbooks.Prune))["ss1:tank/mail"], old[0], "it is held by another, too")

	f.scheduled = true
	p = f.plan(t, runbooks.Prune)
	require.NotContains(t, destroyed(t, p)["ss1:tank/mail"], old[1])
	require.Contains(t, p.Warnings[0].Text, "a schedule takes no holds away")
	require.Contains(t, p.Warnings[2].Text, "nightshift holds 2 snapshots")
}

func TestOneRunDestroysSoManyAtMost(t *testing.T) {
	f := pruneLab()
	f.storage("ss1", "tank/mail").Snapshots = history(10_000, 12_000, 1)
	p := f.plan(t, runbooks.Prune)
	require.Len(t, p.Steps, 1+100+1)
	gone := destroyed(t, p)
	require.Len(t, gone["ss1:tank/mail"], 10_000)
	require.Equal(t, hourly(12_000, 0).Name, gone["ss1:tank/mail"][0], "the oldest first")
	require.Contains(t, fmt.Sprint(p.Warnings), "a run destroys 10,000 recovery points at most")
	b, err := p.Pack()
	require.NoError(t, err)
	t.Logf("%d KiB packed", len(b)>>10)
	require.Less(t, len(b), 352<<10, "Temporal would warn")
}

func TestTheOrderOfWhatWasReadDoesNotMatterToPrune(t *testing.T) {
	f := pruneLab()
	want := f.plan(t, runbooks.Prune).Hash()
	for i := range f.state.Storage {
		h := &f.state.Storage[i]
		rand.Shuffle(len(h.Holds), func(i, j int) { h.Holds[i], h.Holds[j] = h.Holds[j], h.Holds[i] })
		for k := range h.Datasets {
			s := h.Datasets[k].Snapshots
			rand.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
		}
	}
	slices.Reverse(f.state.Storage)
	require.Equal(t, want, f.plan(t, runbooks.Prune).Hash())
}

func TestPruneNeedsAGroupThatThereIs(t *testing.T) {
	f := pruneLab()
	f.params = map[string]string{"group": "mall"}
	r, _ := runbooks.Lookup(runbooks.Prune)
	_, err := r.Plan(f.input())
	require.ErrorContains(t, err, `did you mean "mail"?`)
	f.params = map[string]string{"group": "mail", "release": "perhaps"}
	_, err = r.Plan(f.input())
	require.ErrorContains(t, err, "release")
}

func BenchmarkPlanPrune(b *testing.B) {
	f := pruneLab()
	for host, dataset := range map[string]string{"ss1": "tank/mail", "ss2": "backup/ss1/mail"} {
		f.storage(host, dataset).Snapshots = history(10_000, 5_000, 1)
	}
	r, _ := runbooks.Lookup(runbooks.Prune)
	in := f.input()
	var p plan.Plan
	b.Run("plan", func(b *testing.B) {
		for b.Loop() {
			var err error
			if p, err = r.Plan(in); err != nil || len(p.Steps) < 90 {
				b.Fatal(err, len(p.Steps))
			}
		}
	})
	b.Run("pack", func(b *testing.B) {
		for b.Loop() {
			if _, err := p.Pack(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
