package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"nightshift/runbooks"
)

// parameterOptions are the parameters of a runbook: -p key=value, and shorthands for those that say what a run is about.
type parameterOptions struct {
	pairs                  []string
	tag, cluster, host, vm string
}

func (o *parameterOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.pairs, "param", "p", nil, "parameter of the runbook, `KEY=VALUE`; may be given more than once (see `nightshift runbook show RUNBOOK`)")
	f.StringVar(&o.tag, "tag", "", "power-up: start what bears the vSphere tag `T` (the same as -p tag=T)")
	f.StringVar(&o.cluster, "cluster", "", "only the hosts and guests of cluster `C` (the same as -p cluster=C)")
	f.StringVar(&o.host, "host", "", "only host `H` with its guests; several with commas (the same as -p host=H)")
	f.StringVar(&o.vm, "vm", "", "only guest `G`; several with commas (the same as -p vm=G)")
}

// of looks up the runbook and checks the parameters against it: a mistake is said before anything is started.
func (o *parameterOptions) of(a *app, name string) (runbooks.Runbook, map[string]string, error) {
	rb, err := a.runbook(name)
	if err != nil {
		return rb, nil, err
	}
	given, err := o.given()
	if err != nil {
		return rb, nil, err
	}
	params, err := rb.Check(given)
	if err != nil {
		return rb, nil, usage("%w", err)
	}
	return rb, params, nil
}

func (o *parameterOptions) given() (map[string]string, error) {
	given := map[string]string{}
	set := func(key, value string) error {
		if old, ok := given[key]; ok && old != value {
			return usage("parameter %s is given twice: %q and %q", key, old, value)
		}
		given[key] = value
		return nil
	}
	for _, pair := range o.pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usage("-p %s: parameters are KEY=VALUE", pair)
		}
		if err := set(key, value); err != nil {
			return nil, err
		}
	}
	for _, short := range []struct{ key, value string }{{"tag", o.tag}, {"cluster", o.cluster}, {"host", o.host}, {"vm", o.vm}} {
		if short.value == "" {
			continue
		}
		if err := set(short.key, short.value); err != nil {
			return nil, err
		}
	}
	return given, nil
}

func runbookNames() string { return namesOfRunbooks(runbooks.Catalog()) }

func namesOfRunbooks(list []runbooks.Runbook) string {
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	return strings.Join(names, ", ")
}

// catalog lists the runbooks: nightshift's own, and those beside the lab file, where there is one here. The error says what
// is wrong with those.
func (a *app) catalog() ([]runbooks.Runbook, error) {
	lab, err := a.loadLab()
	if err != nil {
		return runbooks.Catalog(), nil //nolint:nilerr // whoever needs the lab file hears of it
	}
	files, err := lab.RunbookFiles()
	list, wrong := runbooks.CatalogWith(files)
	return list, errors.Join(err, wrong)
}

// runbook finds a runbook by its name.
func (a *app) runbook(name string) (runbooks.Runbook, error) {
	if rb, ok := runbooks.Lookup(name); ok {
		return rb, nil
	}
	list, err := a.catalog()
	rb, ok := runbooks.Find(list, name)
	switch {
	case ok:
		return rb, nil
	case err != nil:
		return rb, fmt.Errorf("there is no runbook %q, or it cannot be read: %w", name, err)
	}
	return rb, usage("there is no runbook %q; there are: %s", name, namesOfRunbooks(list))
}

// ofOnesOwn tells whether a runbook that there is, is a file of the user's.
func ofOnesOwn(name string) bool {
	_, ok := runbooks.Lookup(name)
	return !ok
}
