package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/vsphere"
	"nightshift/internal/words"
	"nightshift/runbooks"
)

const formatDot = "dot"

type graphOptions struct{ offline, full bool }

func newLabGraphCommand(a *app) *cobra.Command {
	o := &graphOptions{}
	c := &cobra.Command{
		Use:   "graph",
		Short: "Draw what starts after what, and why",
		Long: `Draw the start order of the lab as runs understand it: after: of guests and groups, what provides: says, datastores,
keys and application clusters. Down goes the other way round. The vCenters are read for it, read-only; of one that does not
answer, the names of the lab file are all that is known.

  nightshift lab graph -o dot | dot -Tsvg > lab.svg

Exit code 4: the order goes in a circle, or names something that is not there; a run would be refused.`,
		Args:        atMost(0),
		Annotations: map[string]string{formats: formatDot + ", " + formatMermaid},
		RunE:        func(c *cobra.Command, _ []string) error { return runLabGraph(c.Context(), a, *o) },
	}
	c.Flags().BoolVar(&o.offline, "offline", false, "ask no machine: draw the lab file alone")
	c.Flags().BoolVar(&o.full, "full", false, "show every guest of long lists")
	return c
}

func runLabGraph(ctx context.Context, a *app, o graphOptions) error {
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	state := &live.State{At: a.now()}
	if !o.offline {
		state.VCenters = a.readVCenters(ctx, lab)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	g := runbooks.StartOrder(lab, state)
	switch a.global.output {
	case formatJSON:
		err = a.writeJSON(graphJSON(lab.Lab, g))
	case formatDot:
		a.printf("%s", graphDot(lab.Lab, g))
	case formatMermaid:
		a.printf("%s", graphMermaid(g))
	default:
		a.showGraph(lab.Lab, g, o.full)
	}
	if err == nil && len(g.Findings) > 0 {
		if a.global.output != formatText {
			a.tellFindings(g)
		}
		err = &exitError{exitRefused, fmt.Errorf("lab %s: %s in its start order: a run would be refused, or warn", lab.Lab, words.Count(len(g.Findings), "problem"))}
	}
	return err
}

func (a *app) tellFindings(g runbooks.Graph) {
	for _, f := range g.Findings {
		a.notef("%s: %s", f.Subject, f.Text)
	}
}

// readVCenters reads those that answer, side by side; of the others it is said why they do not.
func (a *app) readVCenters(ctx context.Context, lab *inventory.Lab) []live.VCenter {
	type answer struct {
		seen live.VCenter
		err  error
	}
	var asks []func() answer
	for _, v := range lab.VCenters {
		asks = append(asks, func() answer {
			seen, err := readVCenter(ctx, lab, v)
			return answer{seen, err}
		})
	}
	var out []live.VCenter
	for i, x := range allAtOnce(asks) {
		switch {
		case x.err == nil:
			out = append(out, x.seen)
		case !errors.Is(x.err, context.Canceled):
			a.notef("Of vCenter %s only the lab file's names are known: %s", lab.VCenters[i].Name, oneLine(x.err))
		}
	}
	return out
}

func readVCenter(ctx context.Context, lab *inventory.Lab, v inventory.VCenter) (live.VCenter, error) {
	r, err := endpoint.Resolve(ctx, "vCenter "+v.Name, v.Endpoint, lab.Dir)
	if err != nil {
		return live.VCenter{}, err
	}
	client, err := vsphere.Connect(ctx, r)
	if err != nil {
		return live.VCenter{}, err
	}
	defer func() { _ = client.Close(ctx) }() // it was only read
	seen, err := client.Inspect(ctx)
	seen.Name = v.Name
	return seen, err
}

// Long levels are folded, as the steps of a plan are.
const (
	foldLevelOver = 24
	foldLevelTo   = 12
)

// showGraph prints the levels of the order, each guest with what it waits for.
func (a *app) showGraph(lab string, g runbooks.Graph, full bool) {
	p := a.paint()
	guests, last := 0, 0
	for _, n := range g.Nodes {
		if len(n.Members) == 0 {
			guests++
		}
		last = max(last, n.Level)
	}
	a.printf("%s\n", p.on(bold, "Start order of lab "+lab))
	if last > 0 {
		head := fmt.Sprintf("%s on %s · down goes the other way round · ← waits for", words.Count(guests, "guest"), words.Count(last, "level"))
		a.printf("%s\n", p.on(dim, head))
	}
	if len(g.Nodes)+len(g.Free) == 0 {
		a.printf("There are no guests to start.\n")
	}
	for level := 1; level <= last; level++ {
		a.showLevel(p, g, level, full)
	}
	if len(g.Free) > 0 {
		when := ""
		if len(g.Nodes) > 0 && g.Nodes[0].Foundation {
			when = ", as soon as what the lab stands on is up"
		}
		shown := some(g.Free)
		if full {
			shown = join(g.Free)
		}
		a.printf("\n%s in any order%s: %s\n", words.Count(len(g.Free), "guest"), when, shown)
	}
	for _, f := range g.Findings {
		a.printf("\n%s\n", p.on(red, f.Subject+": "+f.Text))
		if f.Remedy != "" {
			a.printf("  → %s\n", f.Remedy)
		}
	}
}

func (a *app) showLevel(p paint, g runbooks.Graph, level int, full bool) {
	var nodes []runbooks.GraphNode
	for _, n := range g.Nodes {
		if n.Level == level {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 {
		return
	}
	title := fmt.Sprintf("Level %d", level)
	if nodes[0].Foundation {
		title += ", what the lab stands on"
	}
	if len(nodes) > 3 {
		title += fmt.Sprintf(" (%d)", len(nodes))
	}
	a.printf("\n%s\n", p.on(bold, title))
	shown := nodes
	if !full && len(nodes) > foldLevelOver {
		shown = nodes[:foldLevelTo]
	}
	for i, n := range shown {
		branch := "├─ "
		if i == len(nodes)-1 {
			branch = "└─ "
		}
		a.printf("%s%s%s\n", branch, graphTitle(n), p.on(dim, graphWaits(n, full)))
	}
	if left := len(nodes) - len(shown); left > 0 {
		a.printf("└─ %s\n", p.on(dim, fmt.Sprintf("… and %d more (all: --full)", left)))
	}
}

// graphTitle is a node in a line.
func graphTitle(n runbooks.GraphNode) string {
	text := n.ID
	if len(n.Members) > 0 {
		text += " = " + some(n.Members)
	}
	if n.Stands != "" {
		text += ", " + n.Stands
	}
	if n.Kept != "" {
		text += " (left alone: " + n.Kept + ")"
	}
	return text
}

// fewNeeds of a guest are told with their reasons.
const fewNeeds = 3

func graphWaits(n runbooks.GraphNode, full bool) string {
	if len(n.Needs) == 0 {
		return ""
	}
	var words []string
	for i, need := range n.Needs {
		if i == fewNeeds && !full {
			words = append(words, fmt.Sprintf("%d more", len(n.Needs)-fewNeeds))
			break
		}
		words = append(words, need.ID+" ("+need.Why+")")
	}
	return "  ← " + strings.Join(words, ", ")
}
