package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"nightshift/internal/inventory"
	"nightshift/internal/simlab"
)

// troubleOptions are what is to go wrong in a simulated lab, as FAULT=NAME.
type troubleOptions struct{ faults []string }

func (o *troubleOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.faults, "fault", nil, "let something go wrong in the simulated lab, as `FAULT=NAME`; may be given again; \"help\" lists what there is")
}

// help tells whether it is asked what there is.
func (o troubleOptions) help() bool { return slices.Contains(o.faults, "help") }

// troublesHelp lists what can go wrong, a line each.
func troublesHelp() string {
	var b strings.Builder
	for _, t := range simlab.Troubles() {
		fmt.Fprintf(&b, "  %-32s%s\n", t.Name+"="+t.About, t.What)
	}
	return b.String()
}

// A trouble is one of simlab.Troubles that is to happen to one of its targets.
type trouble struct {
	simlab.Trouble
	target string
}

// of reads what is to go wrong in the lab.
func (o troubleOptions) of(spec simlab.Spec) (list []trouble, err error) {
	all := simlab.Troubles()
	var names []string
	for _, t := range all {
		names = append(names, t.Name)
	}
	for _, said := range o.faults {
		name, target, _ := strings.Cut(said, "=")
		i := slices.Index(names, name)
		if i < 0 {
			return nil, usage("--fault %s: there is no fault %q%s; --fault help lists them", said, name, didYouMean(name, names))
		}
		targets := all[i].Targets(spec)
		if !slices.Contains(targets, target) {
			if len(targets) == 0 {
				return nil, usage("--fault %s: lab %s has none to which it could happen; the lab %s has", said, spec.Name, storageLab)
			}
			what := map[string]string{simlab.OfGuest: "guest", simlab.OfHost: "host", simlab.OfGroup: "protection group", simlab.OfReplicated: "replicated protection group"}[all[i].About]
			return nil, usage("--fault %s: write %s=%s with a %s of lab %s%s: %s", said, name, all[i].About, what, spec.Name, didYouMean(target, targets), join(targets))
		}
		list = append(list, trouble{all[i], target})
	}
	return list, nil
}

func didYouMean(said string, known []string) string {
	if near := inventory.Nearest(said, known); near != "" && near != said {
		return ", did you mean " + near + "?"
	}
	return ""
}
