package upswatch

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/nut"
)

var start = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)

const labText = `lab: home
self: {outside: true}
vcenters:
  - {name: vc1, url: https://vc1.example, user: ns, password: env:VC}
hosts:
  - {name: esx21}
  - {name: esx22}
  - {name: esx23}
  - {name: esx24, keep: true}
ups:
  - {name: rack, server: 127.0.0.1, feeds: [esx21, esx22, esx24]}
  - {name: shelf, server: 127.0.0.1, feeds: [esx22, esx23], whenLost: powerDown}
`

func lab(t *testing.T) *inventory.Lab {
	t.Helper()
	l, err := inventory.Parse("lab.yaml", []byte(labText))
	require.NoError(t, err)
	return l
}

// told is a look: "OB 35" is its status and charge, "" one that failed.
func told(after time.Duration, status, charge, runtime string) Look {
	l := Look{At: start.Add(after), Status: nut.Vars{"ups.status": status, "battery.charge": charge, "battery.runtime": runtime}.Status()}
	if status == "" {
		l.Err = errors.New("its driver is not connected")
	}
	return l
}

const s = time.Second

func TestWhenALabGoesDown(t *testing.T) {
	type look struct {
		after           time.Duration
		status          string
		charge, runtime string
	}
	every := func(status, charge string, from, to time.Duration) (list []look) {
		for at := from; at <= to; at += 5 * s {
			list = append(list, look{at, status, charge, ""})
		}
		return list
	}
	then := func(parts ...[]look) (all []look) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for _, c := range []struct {
		name  string
		ups   string // rack: whenLost alarm; shelf: powerDown
		looks []look
		why   string
	}{
		{name: "on mains", looks: every("OL", "30", 0, 600*s)},
		{name: "a short dip", looks: then(every("OB", "90", 0, 60*s), every("OL", "90", 65*s, 200*s))},
		{name: "for two minutes", looks: every("OB", "90", 0, 120*s), why: "on battery for 2m0s"},
		{name: "not quite", looks: every("OB", "90", 0, 115*s)},
		{name: "flaps, and comes to two minutes", looks: then(every("OB", "90", 0, 60*s), every("OL", "90", 65*s, 100*s), every("OB", "90", 105*s, 160*s)), why: "on battery for 2m0s"},
		{name: "flaps with a minute between", looks: then(every("OB", "90", 0, 60*s), every("OL", "90", 65*s, 130*s), every("OB", "90", 135*s, 195*s))},
		{name: "charge at its limit", looks: []look{{0, "OB DISCHRG", "40", "3600"}}, why: "charge 40 % (40 % or less)"},
		{name: "charge above it", looks: []look{{0, "OB DISCHRG", "41", "3600"}}},
		{name: "charge at its limit, on mains", looks: []look{{0, "OL CHRG", "10", "60"}}},
		{name: "runtime at its limit", looks: []look{{0, "OB", "90", "600"}}, why: "lasts 10m0s more"},
		{name: "nothing told but on battery", looks: []look{{0, "OB", "", ""}}},
		{name: "low", looks: []look{{0, "OB LB", "90", "3600"}}, why: "calls it low"},
		{name: "low on mains", looks: []look{{0, "OL LB", "5", "60"}}},
		{name: "forced", looks: []look{{0, "FSD OB LB", "90", ""}}, why: "forced shutdown"},
		{name: "forced on mains", looks: []look{{0, "OL", "100", ""}, {5 * s, "FSD OL", "100", ""}}, why: "forced shutdown"},
		{name: "calibrates", looks: every("OB CAL LB", "5", 0, 600*s)},
		{name: "lost on mains", ups: "shelf", looks: then(every("OL", "90", 0, 60*s), every("", "", 65*s, 600*s))},
		{name: "lost on battery, alarm", looks: then(every("OB", "90", 0, 60*s), every("", "", 65*s, 600*s))},
		{name: "lost on battery, powerDown", ups: "shelf", looks: then(every("OB", "90", 0, 60*s), every("", "", 65*s, 95*s)), why: "it was on battery, and has not told for 30s"},
		{name: "lost on battery for a moment", ups: "shelf", looks: then(every("OB", "90", 0, 60*s), every("", "", 65*s, 90*s))},
		{name: "lost on battery, and on mains again", ups: "shelf", looks: then(every("OB", "90", 0, 60*s), every("", "", 65*s, 90*s), every("OL", "90", 95*s, 95*s), every("", "", 100*s, 600*s))},
		{name: "never told", ups: "shelf", looks: every("", "", 0, 600*s)},
		{name: "what is neither", ups: "shelf", looks: every("OFF", "90", 0, 600*s)},
		{name: "a process that slept did not see it on battery", looks: []look{{0, "OB", "90", ""}, {3600 * s, "OB", "90", ""}}},
		{name: "a clock that was set back", looks: []look{{3600 * s, "OB", "90", ""}, {0, "OB", "90", ""}, {5 * s, "OB", "90", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := "rack"
			if c.ups != "" {
				name = c.ups
			}
			u, _ := lab(t).UPSOf(name)
			var track Track
			for _, l := range c.looks {
				track = track.Next(u, told(l.after, l.status, l.charge, l.runtime))
			}
			if why := track.Critical(u); c.why == "" {
				require.Empty(t, why)
			} else {
				require.Contains(t, why, c.why)
			}
		})
	}
}

func TestWhenALabMayComeUp(t *testing.T) {
	u, _ := lab(t).UPSOf("rack")
	up := func(looks ...Look) (bool, string) {
		var track Track
		for _, l := range looks {
			track = track.Next(u, l)
		}
		return track.Ready(u)
	}
	const settle = 300 * s
	ready, _ := up(told(0, "OL CHRG", "60", ""), told(settle, "OL CHRG", "60", ""))
	require.True(t, ready)
	for why, looks := range map[string][]Look{
		"it waits for 5m0s":                  {told(0, "OL", "60", ""), told(settle-s, "OL", "60", "")},
		"its charge is 49 %":                 {told(0, "OL", "49", ""), told(settle, "OL", "49", "")},
		"it does not tell its charge":        {told(0, "OL", "", ""), told(settle, "OL", "", "")},
		"on battery":                         {told(0, "OL", "60", ""), told(settle, "OB", "60", "")},
		"unknown":                            {told(0, "OL", "60", ""), told(settle, "", "", "")},
		"forced shutdown":                    {told(0, "OL", "60", ""), told(settle, "OL FSD", "60", "")},
		"the mains are back for 5s":          {told(0, "OL", "60", ""), told(settle, "OB", "60", ""), told(settle+5*s, "OL", "60", ""), told(settle+10*s, "OL", "60", "")},
		"the mains are back for 0s":          {told(0, "OL", "60", ""), told(settle, "", "", ""), told(settle+5*s, "OL", "60", "")},
		"the mains are back for 1s, it wait": {told(settle, "OL", "60", ""), told(0, "OL", "60", ""), told(s, "OL", "60", "")},
	} {
		ready, got := up(looks...)
		require.False(t, ready)
		require.Contains(t, got, why)
	}
}

func TestWhoGoesDown(t *testing.T) {
	l := lab(t)
	track := func(name, status string) Track {
		u, _ := l.UPSOf(name)
		return Track{}.Next(u, told(0, status, "30", ""))
	}
	for _, c := range []struct {
		rack, shelf string
		ups, hosts  []string
		due         bool
	}{
		{"OL", "OL", nil, nil, false},
		{"OB", "OL", []string{"rack"}, []string{"esx21", "esx24"}, true},     // esx22 has the shelf
		{"OB", "", []string{"rack"}, nil, true},                              // nobody knows what the shelf does
		{"OB", "OB", []string{"rack", "shelf"}, nil, true},                   // both
		{"OL", "OB", []string{"shelf"}, []string{"esx23"}, true},             // esx22 has the rack
		{"FSD OL", "OL", []string{"rack"}, []string{"esx21", "esx24"}, true}, // will be switched off
		{"OL", "OL FSD", []string{"shelf"}, []string{"esx23"}, true},         // the same
		{"", "", nil, nil, false},                                            // unknown
		{"OB CAL", "OL", nil, nil, false},                                    // no power cut
		{"OB", "FSD", []string{"rack", "shelf"}, nil, true},                  // both, for two reasons
		{"OFF", "OB LB", []string{"shelf"}, nil, true},                       // what is off feeds nobody
	} {
		d, due := FindDue(l, map[string]Track{"rack": track("rack", c.rack), "shelf": track("shelf", c.shelf)})
		require.Equal(t, c.due, due, c)
		require.Equal(t, c.ups, d.UPS, c)
		require.Equal(t, c.hosts, d.Hosts, c)
	}
}

func TestNamesOfRuns(t *testing.T) {
	d := Due{UPS: []string{"a-1.b", "rack"}, Began: start.Add(59 * s)}
	id := d.ID("my-lab", "power-down", 1)
	require.Equal(t, "power-down-my-lab-ups-a-1.b+rack-20261120-2200", id)
	for n := 1; n < 4; n++ {
		got, ok := dueOf("my-lab", d.ID("my-lab", "power-down", n))
		require.True(t, ok)
		require.Equal(t, Due{UPS: d.UPS, Began: start}, got)
		require.Equal(t, d.ID("my-lab", "power-up", 1), got.ID("my-lab", "power-up", 1), "the power-up of a power-down is known by it")
	}
	for _, other := range []string{"power-down-my-lab-20261120-2200", "power-up-my-lab-ups-rack-20261120-2200", "power-down-other-ups-rack-20261120-2200", "power-down-my-lab-ups-rack", "power-down-my-lab-ups-20261120-2200"} {
		_, ok := dueOf("my-lab", other)
		require.False(t, ok, other)
	}
}
