package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/report"
	"nightshift/internal/simlab"
	"nightshift/internal/statedir"
	"nightshift/internal/words"
)

// simulated are the labs that can be simulated, by what people call them; the first is the usual one.
var simulated = []struct {
	name, what string
	spec       func() simlab.Spec
}{
	{"home", "an always-on NUC that carries vCenter, and four servers", simlab.HomeSpec},
	{"inside", "three hosts, of which one carries the storage, the name server and the vCenter of all", simlab.InsideSpec},
	{"dr-box", "one host, whose own storage VM serves it the datastore of its vCenter and everything else", simlab.DRBoxSpec},
	{"one-host", "one host that carries everything on its own disks", simlab.OneHostSpec},
	{storageLab, "two hosts, and two storage hosts with ZFS, between which a protection group is replicated", simlab.StorageSpec},
	{"application-cluster", "two hosts with a cluster of databases inside guests, which fences members that go down by themselves", simlab.ClusterAppSpec},
}

// storageLab is the lab whose demo is about storage.
const storageLab = "storage"

// simulatedSpec finds the lab that is meant.
func simulatedSpec(name string) (simlab.Spec, error) {
	for _, s := range simulated {
		if s.name == name {
			return s.spec(), nil
		}
	}
	return simlab.Spec{}, usage("there is no simulated lab %q; there are %s", name, strings.Join(simulatedNames(), ", "))
}

func simulatedNames() (names []string) {
	for _, s := range simulated {
		names = append(names, s.name)
	}
	return names
}

// simulatedHelp lists them, a line each.
func simulatedHelp() string {
	var b strings.Builder
	for _, s := range simulated {
		fmt.Fprintf(&b, "  %-21s%s\n", s.name, s.what)
	}
	return strings.TrimRight(b.String(), "\n")
}

// A simulation is a simulated lab that runs, with the lab file that describes it.
type simulation struct {
	sim   *simlab.Lab
	lab   *inventory.Lab
	speed float64
}

// startSimulation empties the locked state directory, as what an earlier simulation left is about machines that are
// gone, starts the lab and writes its lab file there.
func startSimulation(ctx context.Context, dir *statedir.Dir, name string, speed float64, o troubleOptions) (*simulation, error) {
	spec, err := simulatedSpec(name)
	if err != nil {
		return nil, err
	}
	troubles, err := o.of(spec)
	if err != nil {
		return nil, err
	}
	s, err := simulate(ctx, dir, spec, speed)
	if err != nil {
		return nil, err
	}
	for _, t := range troubles {
		if err := t.Begin(s.sim, t.target); err != nil {
			s.sim.Close()
			return nil, fmt.Errorf("--fault %s=%s: %w", t.Name, t.target, err)
		}
	}
	return s, nil
}

// simulate is startSimulation for any lab.
func simulate(ctx context.Context, dir *statedir.Dir, spec simlab.Spec, speed float64) (*simulation, error) {
	if speed <= 0 {
		return nil, usage("--speed %g: more than 0", speed)
	}
	if err := wipe(dir.Path()); err != nil {
		return nil, err
	}
	// The lab outlives the signal that ends the command: the worker still needs it to stop in order.
	sim, err := simlab.Start(context.WithoutCancel(ctx), simlab.Config{Spec: spec, Speed: speed, Seed: 1})
	if err != nil {
		return nil, err
	}
	path, err := sim.WriteLabFile(dir.Path())
	if err != nil {
		sim.Close()
		return nil, err
	}
	lab, err := inventory.Load(path)
	if err != nil {
		sim.Close()
		return nil, fmt.Errorf("the lab file of the simulated lab: %w", err)
	}
	return &simulation{sim, lab, speed}, nil
}

// wipe removes everything but the lock that this process holds.
func wipe(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("empty the state directory of the simulated lab: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".lock") {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func (s *simulation) Close() { s.sim.Close() }

// sight is what one would see in the server room.
func (s *simulation) sight() string {
	hosts := s.sim.Hosts()
	var on []string
	for _, name := range sortedKeys(hosts) {
		if hosts[name].Power != "On" {
			continue
		}
		if h, ok := s.lab.Host(name); ok && h.Keep {
			name += ", kept"
		}
		on = append(on, name)
	}
	which := ""
	if len(on) == 1 {
		which = " (" + on[0] + ")"
	}
	running := 0
	guests := s.sim.Guests()
	for _, g := range guests {
		if g.Power == "poweredOn" && !g.VCLS {
			running++
		}
	}
	return fmt.Sprintf("In the server room: %d of %s on%s, %s running.", len(on), words.Count(len(hosts), "server"), which, words.Count(running, "guest"))
}

// markVerb sets and clears the mark on the vCenter, in two calls that the record cannot tell apart. It acts on no machine.
const markVerb = "SetField"

// streamVerbs are those of a stream: one that was broken off is gone on with.
var streamVerbs = []string{"zfs send:", "zfs receive:", "end receivers:"}

// twice lists the calls that the lab received more than once in one run without a recorded decision, and counts all.
func (s *simulation) twice(reports []report.Report) (twice []string, total int) {
	type call struct {
		run          int
		verb, target string
	}
	seen := map[call]int{}
	var order []call
	for _, c := range s.sim.Calls() {
		if c.Verb == markVerb || slices.ContainsFunc(streamVerbs, func(verb string) bool { return strings.HasPrefix(c.Verb, verb) }) {
			continue
		}
		run := slices.IndexFunc(reports, func(r report.Report) bool { return r.Ended.IsZero() || !c.At.After(r.Ended) })
		k := call{run, c.Verb, c.Target}
		if seen[k]++; seen[k] == 1 {
			order = append(order, k)
		}
		total++
	}
	for _, k := range order {
		if n := seen[k]; n > 1+decisionsAbout(reports, k.run, k.target) {
			twice = append(twice, fmt.Sprintf("%s to %s, %d times", k.verb, k.target, n))
		}
	}
	return twice, total
}

// decisionsAbout counts the recorded decisions to act again on the target.
func decisionsAbout(reports []report.Report, run int, target string) int {
	if run < 0 {
		return 0
	}
	n := 0
	for _, d := range reports[run].Decisions {
		if strings.HasSuffix(d.Step, ":"+target) {
			n++
		}
	}
	return n
}
