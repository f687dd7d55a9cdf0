package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/internal/words"
)

type trustOptions struct{ yes, replace bool }

func newLabTrustCommand(a *app) *cobra.Command {
	o := &trustOptions{}
	c := &cobra.Command{
		Use:   "trust",
		Short: "Show certificates, host keys and serial numbers beside what is recorded, and record them",
		Long: `Fetch the TLS fingerprint of every vCenter and BMC and the SSH host key of every machine in the lab file, show them
beside what is recorded, and write them into the lab file when you say yes. Compare them first with what the machines
themselves show. Then the serial numbers of the servers are read through the BMCs that are trusted by now, and the host
keys of machines behind jump hosts through those.

No password is sent to a machine before its fingerprint is confirmed. What has changed is only written with --replace.`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runLabTrust(c.Context(), a, *o) },
	}
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "write without asking")
	c.Flags().BoolVar(&o.replace, "replace", false, "write what has changed, too")
	return c
}

func runLabTrust(ctx context.Context, a *app, o trustOptions) error {
	lab, err := a.labForTrust()
	if err != nil {
		return err
	}
	keys := fetchKeys(ctx, lab)
	wrote, err := a.trustRound(ctx, o, lab, keys)
	if err != nil {
		return err
	}
	if wrote {
		if lab, err = inventory.LoadForTrust(lab.Path); err != nil {
			return err
		}
	}
	more := append(fetchBehind(ctx, lab, keys), fetchSerials(ctx, lab, keys)...)
	if _, err := a.trustRound(ctx, o, lab, more); err != nil {
		return err
	}
	all := append(keys, more...)
	if a.json() {
		if err := a.writeJSON(all); err != nil {
			return err
		}
	}
	return trustEnd(all, o)
}

func (a *app) labForTrust() (*inventory.Lab, error) {
	p := a.findLab()
	if p.path == "" {
		return a.loadLab() // says what is missing
	}
	return inventory.LoadForTrust(p.path)
}

// trustRound shows facts and writes those that are confirmed.
func (a *app) trustRound(ctx context.Context, o trustOptions, lab *inventory.Lab, facts []trustFact) (bool, error) {
	if !a.json() {
		for _, f := range facts {
			f.text(a.out, a.paint())
		}
	}
	var changes []inventory.TrustChange
	for _, f := range facts {
		if f.State == trustNew || f.State == trustChanged && o.replace {
			changes = append(changes, inventory.TrustChange{Field: f.field, Value: f.Shows})
		}
	}
	if len(changes) == 0 {
		return false, nil
	}
	if !o.yes {
		ok, err := a.ask(ctx, fmt.Sprintf("Write %s into %s? Compare first with what the machines themselves show.", words.Count(len(changes), "value"), lab.Path))
		if errors.Is(err, errNoAnswer) {
			return false, &exitError{exitRefused, fmt.Errorf("nothing was written: %w; give --yes where nobody can be asked", err)}
		}
		if err != nil {
			return false, err
		}
		if !ok {
			return false, &exitError{exitRefused, errors.New("nothing was written")}
		}
	}
	if err := inventory.WriteTrust(lab, changes); err != nil {
		return false, err
	}
	for i, f := range facts {
		facts[i].Written = f.State == trustNew || f.State == trustChanged && o.replace
	}
	a.notef("Wrote %s into %s.", words.Count(len(changes), "value"), lab.Path)
	return true, nil
}

// trustEnd is an error where a machine could not be asked, or something changed and was not replaced.
func trustEnd(facts []trustFact, o trustOptions) error {
	failed, changed := 0, 0
	for _, f := range facts {
		switch {
		case f.State == trustFailed:
			failed++
		case f.State == trustChanged && !o.replace:
			changed++
		}
	}
	switch {
	case changed > 0:
		return fmt.Errorf("%s CHANGED: somebody may be in between. If a machine or a certificate was replaced on purpose, run `nightshift lab trust --replace`", words.Count(changed, "value"))
	case failed > 0:
		return fmt.Errorf("%s could not be asked: see above", words.Count(failed, "machine"))
	}
	return nil
}

// States of a fact beside what is recorded.
const (
	trustNew     = "new"
	trustSame    = "same"
	trustChanged = "CHANGED"
	trustCA      = "by CA" // verified by a CA: nothing to record
	trustNone    = "nothing to record"
	trustFailed  = "failed"
)

// A trustFact is what a machine shows of itself.
type trustFact struct {
	Machine  string `json:"machine"`
	Address  string `json:"address"`
	What     string `json:"what"` // certificate | host key | serial number | UUID
	Shows    string `json:"shows,omitempty"`
	Known    string `json:"known,omitempty"` // how people compare it, where that is another form
	Recorded string `json:"recorded,omitempty"`
	State    string `json:"state"`
	Note     string `json:"note,omitempty"`
	Written  bool   `json:"written"`
	field    string
}

func (f trustFact) text(w io.Writer, p paint) {
	code := map[string]string{trustNew: yellow, trustSame: green, trustCA: green, trustNone: yellow, trustChanged: red, trustFailed: red}[f.State]
	say := map[string]string{trustNew: "not recorded yet", trustSame: "as recorded", trustChanged: "CHANGED since it was recorded"}
	fmt.Fprintf(w, "%s, %s (%s): %s\n", f.Machine, f.What, f.Address, p.on(code, cmp.Or(say[f.State], f.State)))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "    %-9s %s\n", name, value)
		}
	}
	line("shows", cmp.Or(f.Known, f.Shows))
	if f.State == trustChanged {
		line("recorded", f.Recorded)
	}
	line("", f.Note)
}
