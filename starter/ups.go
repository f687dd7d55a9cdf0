package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/nut"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

func newUPSCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ups",
		Short: "How the UPSes of the lab file are, and at what nightshift powers down",
		Long: `Ask the NUT server of each UPS of the lab file how it is, without logging in, and tell at what nightshift powers down what
it feeds. The watch itself is part of ` + "`nightshift serve`" + `, and of ` + "`nightshift worker`" + `. What a power cut would do:

  nightshift plan power-down -p ups=NAME`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runUPS(c.Context(), a) },
	}
}

// A upsState is what a UPS tells now. State is empty where it cannot be read; then Error says why.
type upsState struct {
	Name    string         `json:"name"`
	Server  string         `json:"server"`
	State   string         `json:"state,omitempty"`  // in people's words
	Status  string         `json:"status,omitempty"` // as NUT has it: "OL CHRG"
	Charge  *float64       `json:"charge,omitempty"` // percent
	Runtime *plan.Duration `json:"runtime,omitempty"`
	Error   string         `json:"error,omitempty"`
	Feeds   []string       `json:"feeds"`
	Limits  string         `json:"limits"` // at what a power-down starts, in people's words
	online  bool
}

// upsTimeout is for one UPS: status is not to wait long for one that is lost.
const upsTimeout = 3 * time.Second

func runUPS(ctx context.Context, a *app) error {
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	if len(lab.UPS) == 0 {
		return fmt.Errorf("the lab file %s has no UPS: list them under ups: (see docs/ups.md)", lab.Path)
	}
	list := readUPSes(ctx, lab)
	if a.json() {
		return a.writeJSON(list)
	}
	p := a.paint()
	for _, u := range list {
		a.printf("%s\n  feeds %s; powers them down at %s\n", u.text(p), strings.Join(u.Feeds, ", "), u.Limits)
	}
	return nil
}

// upsStates are for status: those of the lab file that is found, where it is this lab's.
func (a *app) upsStates(ctx context.Context, lab string) []upsState {
	l, err := a.loadLab()
	if err != nil || l.Lab != lab { // status needs no lab file
		return nil
	}
	return readUPSes(ctx, l)
}

func readUPSes(ctx context.Context, lab *inventory.Lab) []upsState {
	var asks []func() upsState
	for _, u := range lab.UPS {
		asks = append(asks, func() upsState { return readUPS(ctx, lab, u) })
	}
	return allAtOnce(asks)
}

func readUPS(ctx context.Context, lab *inventory.Lab, u inventory.UPS) upsState {
	s := upsState{Name: u.Name, Server: u.Address(), Feeds: u.Feeds, Limits: upsLimits(u)}
	ctx, cancel := context.WithTimeout(ctx, upsTimeout)
	defer cancel()
	r, err := endpoint.UPSServer("NUT server "+u.Address(), u, lab.Dir)
	if err != nil {
		s.Error = oneLine(err)
		return s
	}
	vars, err := nut.Ask(ctx, r, u.Name)
	if err != nil {
		s.Error = oneLine(err)
		return s
	}
	st := vars.Status()
	s.State, s.Status, s.Charge, s.online = st.String(), strings.Join(st.Flags, " "), st.Charge, st.Online() && !st.Forced()
	if st.Runtime != nil {
		left := plan.Duration(*st.Runtime)
		s.Runtime = &left
	}
	return s
}

// upsLimits are those at which a power-down starts, in a line.
func upsLimits(u inventory.UPS) string {
	b := u.OnBattery
	return fmt.Sprintf("a charge of %d %%, with %s left, or after %s on battery", b.Charge, words.Written(time.Duration(b.Runtime)), words.Written(time.Duration(b.After)))
}

func (u upsState) text(p paint) string {
	if u.Error != "" {
		return p.on(red, fmt.Sprintf("%s: unknown: %s", u.Name, u.Error))
	}
	colour := green
	if !u.online {
		colour = red
	}
	return u.Name + ": " + p.on(colour, u.State)
}
