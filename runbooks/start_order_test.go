package runbooks_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

func drawn(g runbooks.Graph) string {
	var b strings.Builder
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "%d %s", n.Level, n.ID)
		if len(n.Members) > 0 {
			fmt.Fprintf(&b, " of %s", strings.Join(n.Members, ", "))
		}
		if n.Stands != "" {
			fmt.Fprintf(&b, " (%s)", n.Stands)
		}
		for _, e := range n.Needs {
			fmt.Fprintf(&b, " <- %s [%s]", e.ID, e.Why)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "free: %s\n", strings.Join(g.Free, ", "))
	for _, f := range g.Findings {
		fmt.Fprintf(&b, "! %s: %s\n", f.Subject, f.Text)
	}
	return b.String()
}

func TestStartOrder(t *testing.T) {
	circle := drBox()
	circle.labGuest("ss2").After = []string{"dns01"}
	for name, f := range map[string]*fixture{"home": homeLab(), "dr-box": drBox(), "inside": insideLab(), "applications": appLab(), "dr-box-circle": circle} {
		t.Run(name, func(t *testing.T) {
			before := len(f.state.VCenters)
			golden(t, "graph-"+name+".txt", drawn(runbooks.StartOrder(f.lab, f.state)))
			require.Len(t, f.state.VCenters, before, "the state is not changed")
		})
	}
}

// Each guest is on a higher level than all that it needs, and what the lab stands on is below all others.
func TestLevelsRise(t *testing.T) {
	for _, f := range []*fixture{homeLab(), drBox(), insideLab(), appLab()} {
		g := runbooks.StartOrder(f.lab, f.state)
		level, foundation := map[string]int{}, 0
		for _, n := range g.Nodes {
			level[n.ID] = n.Level
			if n.Foundation {
				foundation = max(foundation, n.Level)
			}
		}
		for _, n := range g.Nodes {
			if !n.Foundation {
				require.Greater(t, n.Level, foundation, n.ID)
			}
			for _, e := range n.Needs {
				require.NotZero(t, level[e.ID], "%s needs %s, which is not drawn", n.ID, e.ID)
				if len(n.Members) == 0 {
					require.Greater(t, n.Level, level[e.ID], "%s needs %s", n.ID, e.ID)
				}
			}
		}
	}
}

// Without an answer of the vCenter the names of the lab file are what there is, and nothing is called missing.
func TestStartOrderOfTheFileAlone(t *testing.T) {
	lab := newLab(labHost("esx21"))
	lab.Guests = []inventory.Guest{{Name: "web01", VCenter: "vc1", After: []string{"db01", "group:base"}}, {Name: "dc01", VCenter: "vc1", Provides: []inventory.Provision{"dns"}}}
	lab.Groups = []inventory.Group{{Name: "base", Guests: []string{"ldap01", "log01"}}}
	g := runbooks.StartOrder(lab, &live.State{})
	require.Equal(t, `1 dc01 (provides dns)
2 db01
2 group base of ldap01, log01
2 ldap01
2 log01
3 web01 <- db01 [after: of guest web01] <- group base [after: of guest web01]
free: 
`, drawn(g))
}

func TestStartOrderNamesWhatIsNotThere(t *testing.T) {
	f := homeLab()
	f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "web01", VCenter: "vc1", After: []string{"nobody"}})
	g := runbooks.StartOrder(f.lab, f.state)
	require.NotEmpty(t, g.Findings)
	require.Contains(t, fmt.Sprint(g.Findings), "nobody")
	require.IsType(t, plan.Finding{}, g.Findings[0])
}
