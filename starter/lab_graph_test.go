package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/simlab"
	"nightshift/runbooks"
)

// graphLab is a lab file with everything that orders guests.
const graphLab = `
guests:
  - {name: san01, provides: ["datastore:shared01"]}
  - {name: dc01, provides: [dns], keep: true}
  - {name: web01, after: [db01, "group:base"]}
  - {name: db01}
groups:
  - {name: base, guests: [log01, ldap01]}
`

func TestLabGraphOffline(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	b, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("lab.yaml", append(b, graphLab...), 0o600))
	for _, format := range []string{"text", "dot", "mermaid", "json"} {
		require.Equal(t, exitDone, c.run("lab", "graph", "--offline", "-o", format), c.stderr)
		golden(t, "lab-graph."+format, c.stdout.String())
	}
	require.Equal(t, exitUsage, c.run("lab", "graph", "-o", "svg"))
	require.Equal(t, exitDone, c.run("lab", "graph"), "of a vCenter that does not answer the names are known")
	require.Contains(t, c.stderr.String(), "only the lab file's names are known")
}

// A circle that only the live lab shows: a storage guest that comes after one whose files it serves.
func TestLabGraphShowsCircles(t *testing.T) {
	sim, err := simlab.Start(t.Context(), simlab.Config{Spec: simlab.DRBoxSpec(), Speed: 600})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	c := newConsole(t, &fakeLab{})
	path, err := sim.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	require.Equal(t, exitDone, c.run("lab", "graph", "--lab", path), c.stderr)
	require.Contains(t, c.stdout.String(), "zfs01 (its files lie on datastore iscsi01)")

	b, err := os.ReadFile(path)
	require.NoError(t, err)
	text := strings.Replace(string(b), "- name: zfs01", "- name: zfs01\n    after: [dns01]", 1)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.Equal(t, exitRefused, c.run("lab", "graph", "--lab", path))
	require.Contains(t, c.stdout.String(), "the order goes in a circle")
	require.Contains(t, c.stdout.String(), "guest zfs01 comes after guest dns01 by after: of guest zfs01")
	require.Equal(t, exitRefused, c.run("lab", "graph", "--lab", path, "-o", "json"))
	var got struct{ Problems []map[string]string }
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &got))
	require.Len(t, got.Problems, 1)
	require.Empty(t, sim.Calls())
}

func TestLongLevelsAreFolded(t *testing.T) {
	var g runbooks.Graph
	for i := range 40 {
		g.Nodes = append(g.Nodes, runbooks.GraphNode{ID: "vm" + string(rune('A'+i)), Level: 1})
	}
	c := newConsole(t, &fakeLab{})
	c.showGraph("home", g, false)
	require.Contains(t, c.stdout.String(), "… and 28 more (all: --full)")
	c.stdout.Reset()
	c.showGraph("home", g, true)
	require.NotContains(t, c.stdout.String(), "more")
}

func TestDrawnNamesAreQuoted(t *testing.T) {
	g := runbooks.Graph{Nodes: []runbooks.GraphNode{{ID: "a\"]; b\\n\x1b[31m", Level: 1}}}
	require.Contains(t, graphDot("home", g), `[label="a\"]; b\\n␛[31m"]`)
	require.Contains(t, graphMermaid(g), `n1["a#quot;]; b\n`)
}
