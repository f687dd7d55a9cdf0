package main

import (
	"fmt"
	"strings"

	"nightshift/internal/plan"
	"nightshift/internal/terminal"
	"nightshift/runbooks"
)

// graphJSON is the start order as JSON.
func graphJSON(lab string, g runbooks.Graph) any {
	type need struct {
		Name string `json:"name"`
		Why  string `json:"why"`
	}
	type node struct {
		Name       string   `json:"name"`
		Level      int      `json:"level"`
		Members    []string `json:"members,omitempty"`
		Foundation bool     `json:"foundation"`
		Stands     string   `json:"stands,omitempty"`
		Kept       string   `json:"kept,omitempty"`
		Needs      []need   `json:"needs"`
	}
	nodes := []node{}
	for _, n := range g.Nodes {
		x := node{n.ID, n.Level, n.Members, n.Foundation, n.Stands, n.Kept, []need{}}
		for _, e := range n.Needs {
			x.Needs = append(x.Needs, need{e.ID, e.Why})
		}
		nodes = append(nodes, x)
	}
	return map[string]any{"lab": lab, "order": nodes, "free": append([]string{}, g.Free...), "problems": append([]plan.Finding{}, g.Findings...)}
}

// graphDot is the start order in the language of Graphviz. Arrows go from what starts first.
func graphDot(lab string, g runbooks.Graph) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR\n  node [shape=box]\n", dotText(lab))
	drawGraph(g, func(id string, n runbooks.GraphNode) {
		shape := ""
		switch {
		case len(n.Members) > 0:
			shape = " shape=ellipse"
		case n.Foundation:
			shape = " style=bold"
		}
		fmt.Fprintf(&b, "  %s [label=%s%s]\n", id, dotText(drawnTitle(n)), shape)
	}, func(from, to, why string) {
		if why == "" {
			fmt.Fprintf(&b, "  %s -> %s [style=dotted]\n", from, to)
			return
		}
		fmt.Fprintf(&b, "  %s -> %s [tooltip=%s]\n", from, to, dotText(why))
	})
	b.WriteString("}\n")
	return b.String()
}

// dotText quotes a text for Graphviz, which reads \n and the like inside of quotes.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(terminal.OneLine(s)) + `"`
}

// graphMermaid is the start order for Mermaid.
func graphMermaid(g runbooks.Graph) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	if len(g.Nodes) == 0 {
		b.WriteString("  n0[\"no order\"]\n")
	}
	drawGraph(g, func(id string, n runbooks.GraphNode) {
		if len(n.Members) > 0 {
			fmt.Fprintf(&b, "  %s([%s])\n", id, plan.MermaidLabel(drawnTitle(n)))
			return
		}
		fmt.Fprintf(&b, "  %s[%s]\n", id, plan.MermaidLabel(drawnTitle(n)))
	}, func(from, to, why string) {
		if why == "" {
			fmt.Fprintf(&b, "  %s -.-> %s\n", from, to)
			return
		}
		fmt.Fprintf(&b, "  %s --> %s\n", from, to)
	})
	return b.String()
}

func drawnTitle(n runbooks.GraphNode) string {
	if n.Stands != "" {
		return n.ID + ": " + n.Stands
	}
	return n.ID
}

// drawGraph calls node for each node, and then edge for each edge; one without a reason leads from a member to its set.
func drawGraph(g runbooks.Graph, node func(id string, n runbooks.GraphNode), edge func(from, to, why string)) {
	ids := map[string]string{}
	for i, n := range g.Nodes {
		ids[n.ID] = fmt.Sprintf("n%d", i+1)
		node(ids[n.ID], n)
	}
	for _, n := range g.Nodes {
		for _, m := range n.Members {
			if ids[m] != "" {
				edge(ids[m], ids[n.ID], "")
			}
		}
		for _, e := range n.Needs {
			if ids[e.ID] != "" {
				edge(ids[e.ID], ids[n.ID], e.Why)
			}
		}
	}
}
