package replica

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

func berlin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return zone
}

// add puts a point of the group "mail" behind the others.
func add(d *live.ZDataset, at time.Time) {
	name, _ := PointName("mail", at)
	n := uint64(1)
	if s := d.Newest(); s != nil {
		n = s.GUID + 1
	}
	d.Snapshots = append(d.Snapshots, live.ZSnapshot{Name: name, GUID: n, CreateTXG: n, Creation: at})
}

// rollup removes what the policy destroys, and answers what is left.
func rollup(t testing.TB, d *live.ZDataset, p Policy, facts Facts, now time.Time) map[string]Verdict {
	t.Helper()
	verdicts, err := Rollup(d, "mail", p, facts, now)
	require.NoError(t, err)
	require.Len(t, verdicts, len(d.Snapshots))
	by := make(map[string]Verdict)
	for i, v := range verdicts {
		require.Equal(t, d.Snapshots[i].Name, v.Snapshot)
		require.NotEmpty(t, v.Why)
		by[v.Snapshot] = v
	}
	d.Snapshots = slices.DeleteFunc(d.Snapshots, func(s live.ZSnapshot) bool { return by[s.Name].What == Destroyed })
	return by
}

func TestHourlyPointsOverTwoYearsWithARollupEveryNight(t *testing.T) {
	zone := berlin(t)
	p := Policy{All: 48 * time.Hour, Daily: 14, Weekly: 8, Weekday: time.Sunday, Monthly: 12, Yearly: 5, Zone: zone}
	d := &live.ZDataset{Name: "tank/mail", Volume: true}
	now := time.Date(2024, 11, 20, 0, 0, 0, 0, time.UTC)
	end := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	for now.Before(end) {
		add(d, now)
		if now.Hour() == 3 {
			rollup(t, d, p, Facts{}, now)
			left := len(d.Snapshots)
			rollup(t, d, p, Facts{}, now)
			require.Len(t, d.Snapshots, left, "a second time there is nothing to do")
		}
		now = now.Add(time.Hour)
	}
	by := rollup(t, d, p, Facts{}, end)
	count := make(map[string]int)
	for _, s := range d.Snapshots {
		for _, why := range by[s.Name].Why {
			count[strings.SplitN(why, " 2", 2)[0]]++
		}
	}
	require.Equal(t, map[string]int{"the newest": 1, "younger than 48h": 48, "last of": 14, "last of the week to Sun": 8, "month end": 12, "year end": 3}, count)
	has := func(at time.Time, why string) {
		t.Helper()
		name, _ := PointName("mail", at)
		require.Contains(t, by[name].Why, why)
	}
	has(time.Date(2026, 10, 31, 23, 0, 0, 0, zone), "month end 2026-10")
	has(time.Date(2025, 12, 31, 23, 0, 0, 0, zone), "year end 2025")
	has(time.Date(2024, 12, 31, 23, 0, 0, 0, zone), "year end 2024")
	has(time.Date(2026, 11, 15, 23, 0, 0, 0, zone), "last of the week to Sun 2026-11-15")
	has(time.Date(2026, 10, 25, 23, 0, 0, 0, zone), "last of the week to Sun 2026-10-25") // the day with 25 hours
	has(time.Date(2026, 11, 8, 23, 0, 0, 0, zone), "last of 2026-11-08")
	require.Equal(t, 48+11+5+11+1, len(d.Snapshots), "what no earlier rule keeps: hours, days, weeks, months, years")
}

// The document's script: the current day's and week's snapshots, Friday's of the current month, month ends, year ends. Its
// snapshots were made once a day, at 23:45.
func TestTheDocumentsRules(t *testing.T) {
	p := Policy{Daily: 7, Weekly: 5, Weekday: time.Friday, Monthly: 12, Yearly: 100, Zone: time.UTC}
	d := &live.ZDataset{Name: "sp1/iscsi/lun0"}
	at := time.Date(2006, 10, 10, 23, 45, 0, 0, time.UTC)
	for ; at.Before(time.Date(2008, 10, 12, 0, 0, 0, 0, time.UTC)); at = at.AddDate(0, 0, 1) {
		add(d, at)
		rollup(t, d, p, Facts{}, at.Add(3*time.Hour))
	}
	var left []string
	for _, s := range d.Snapshots {
		_, when, _ := ParsePoint(s.Name)
		left = append(left, when.Format(time.DateOnly))
	}
	require.Equal(t, []string{
		"2006-12-31",
		"2007-11-30", "2007-12-31", "2008-01-31", "2008-02-29", "2008-03-31", "2008-04-30", "2008-05-31", "2008-06-30", "2008-07-31", "2008-08-31",
		"2008-09-19", "2008-09-26", "2008-09-30", "2008-10-03",
		"2008-10-05", "2008-10-06", "2008-10-07", "2008-10-08", "2008-10-09", "2008-10-10", "2008-10-11",
	}, left)
}

func TestADayWithoutAPointHasAStandIn(t *testing.T) {
	p := Policy{Weekly: 2, Weekday: time.Friday, Zone: time.UTC}
	d := &live.ZDataset{}
	for day := 9; day <= 23; day++ { // 2026-11-09 is a Monday
		if day != 13 { // a Friday
			add(d, time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC))
		}
	}
	by := rollup(t, d, p, Facts{}, time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC))
	require.Len(t, d.Snapshots, 2)
	require.Contains(t, by["nightshift_mail_2026-11-20T12:00:00Z"].Why, "last of the week to Fri 2026-11-20")

	d = &live.ZDataset{}
	add(d, time.Date(2026, 11, 12, 12, 0, 0, 0, time.UTC))
	add(d, time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC))
	by = rollup(t, d, p, Facts{}, time.Date(2026, 11, 14, 13, 0, 0, 0, time.UTC))
	require.Contains(t, by["nightshift_mail_2026-11-12T12:00:00Z"].Why, "last of the week to Fri 2026-11-13", "Thursday's stands in for Friday's")
}

func TestALabThatStoodStillLosesNothing(t *testing.T) {
	p := Policy{Daily: 3, Zone: time.UTC}
	d := &live.ZDataset{}
	for day := 1; day <= 4; day++ {
		add(d, time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC))
	}
	rollup(t, d, p, Facts{}, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	require.Len(t, d.Snapshots, 3)
}

// A run whose worker had a clock that was a year ahead costs none of the points that the policy keeps.
func TestAPointOfTheFutureTakesNoPlace(t *testing.T) {
	p := Policy{Daily: 2, Monthly: 1, Yearly: 1, Zone: time.UTC}
	d := &live.ZDataset{}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for day := 1; day <= 21; day++ {
		add(d, time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC))
	}
	ahead := now.AddDate(1, 0, 0)
	add(d, ahead)
	whole := map[string]bool{}
	for _, s := range d.Snapshots {
		whole[s.Name] = true
	}
	by := rollup(t, d, p, Facts{Whole: whole}, now)
	require.Len(t, d.Snapshots, 3)
	require.Equal(t, []string{"last of 2026-11-20"}, by["nightshift_mail_2026-11-20T12:00:00Z"].Why)
	require.Equal(t, []string{"the newest", "last of 2026-11-21", "month end 2026-11", "year end 2026"}, by["nightshift_mail_2026-11-21T12:00:00Z"].Why)
	require.Equal(t, Kept, by["nightshift_mail_2027-11-21T12:00:00Z"].What)
	require.Equal(t, []string{"of the future, by a clock that was wrong"}, by["nightshift_mail_2027-11-21T12:00:00Z"].Why)

	by = rollup(t, d, p, Facts{}, ahead)
	require.Contains(t, by["nightshift_mail_2027-11-21T12:00:00Z"].Why, "the newest", "its time has come")
}

func TestDaysBeginInTheirZone(t *testing.T) {
	p := Policy{Daily: 2, Zone: berlin(t)}
	d := &live.ZDataset{}
	add(d, time.Date(2026, 7, 1, 21, 59, 0, 0, time.UTC)) // 23:59 in Berlin
	add(d, time.Date(2026, 7, 1, 22, 0, 0, 0, time.UTC))  // the next day
	rollup(t, d, p, Facts{}, time.Date(2026, 7, 2, 0, 0, 0, 0, time.UTC))
	require.Len(t, d.Snapshots, 2)
	p.Zone = time.UTC
	rollup(t, d, p, Facts{}, time.Date(2026, 7, 2, 0, 0, 0, 0, time.UTC))
	require.Len(t, d.Snapshots, 1)
}

func TestWhatIsProtectedStays(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	d := &live.ZDataset{Name: "tank/mail"}
	for day := 1; day <= 9; day++ {
		add(d, time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC))
	}
	d.Snapshots[0].Holds = 1                      // a tag that was not read
	d.Snapshots[1].Holds = 2                      // ours and another
	d.Snapshots[2].Clones = []string{"tank/test"} // cloned
	d.Snapshots[3].Name = "autosnap_2026-11-04"   // foreign
	d.Snapshots[4].Name = "nightshift_web_2026-11-05T12:00:00Z"
	facts := Facts{Common: []uint64{d.Snapshots[5].GUID}, InFlight: map[uint64]bool{d.Snapshots[6].GUID: true},
		Tags: map[string][]string{d.Snapshots[1].Name: {"nightshift:mail", "theirs"}}}
	by := rollup(t, d, Policy{Zone: time.UTC}, facts, now)
	whys := func(i int) []string { return by[d.Snapshots[i].Name].Why }
	require.Len(t, d.Snapshots, 8, "one of nine goes: that of the 8th")
	require.Equal(t, []string{"held: 1"}, whys(0))
	require.Equal(t, []string{"held by nightshift", "held: theirs"}, whys(1))
	require.Equal(t, []string{"cloned: tank/test"}, whys(2))
	require.Equal(t, []string{"foreign: not made by nightshift"}, whys(3))
	require.Equal(t, []string{"foreign: of group web"}, whys(4))
	require.Equal(t, []string{"the last common one"}, whys(5))
	require.Equal(t, []string{"in flight"}, whys(6))
	require.Equal(t, []string{"the newest"}, whys(7))
	require.Equal(t, Destroyed, by["nightshift_mail_2026-11-08T12:00:00Z"].What)
	require.Equal(t, Kept, by[d.Snapshots[7].Name].What)
	for i := range 7 {
		require.Equal(t, Protected, by[d.Snapshots[i].Name].What)
	}
}

func TestWithoutTheOtherSideNothingIsDestroyed(t *testing.T) {
	d := &live.ZDataset{}
	for day := 1; day <= 5; day++ {
		add(d, time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC))
	}
	rollup(t, d, Policy{Zone: time.UTC}, Facts{Unknown: "ss2 cannot be read"}, time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
	require.Len(t, d.Snapshots, 5)
}

func TestAPolicyMustMakeSense(t *testing.T) {
	for _, p := range []Policy{{}, {Zone: time.UTC, Daily: -1}, {Zone: time.UTC, All: -time.Hour}} {
		_, err := Rollup(&live.ZDataset{}, "mail", p, Facts{}, time.Now())
		require.Error(t, err)
	}
}

func BenchmarkRollup(b *testing.B) {
	d := &live.ZDataset{Name: "tank/mail"}
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 10_000 {
		add(d, at)
		at = at.Add(time.Hour)
	}
	p := Policy{All: 48 * time.Hour, Daily: 14, Weekly: 8, Monthly: 12, Yearly: 5, Zone: berlin(b)}
	for b.Loop() {
		if _, err := Rollup(d, "mail", p, Facts{Common: []uint64{9_000}}, at); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTheNewestAlwaysStays(t *testing.T) {
	for n := range 5 {
		d := &live.ZDataset{}
		for i := range n {
			add(d, time.Date(2020, 1, 1+i, 0, 0, 0, 0, time.UTC))
		}
		rollup(t, d, Policy{Zone: time.UTC}, Facts{}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		require.Len(t, d.Snapshots, min(n, 1), fmt.Sprint(n))
	}
}
