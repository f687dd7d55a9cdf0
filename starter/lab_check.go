package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/sshexec"
	"nightshift/internal/words"
)

func newLabCheckCommand(a *app) *cobra.Command {
	var problems bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Try everything that runs need, read-only",
		Long: `Try everything that runs need, read-only and side by side: is each machine there, is it the right one, does the login
work (one attempt each), may the account do what is needed, what versions, which reset types, do the clocks agree, do
the hosts and guests of the lab file exist, and the datasets of its protection groups. Exit code 1 when something fails.`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error { return runLabCheck(c.Context(), a, problems) },
	}
	c.Flags().BoolVar(&problems, "problems", false, "show only what is not in order")
	return c
}

func runLabCheck(ctx context.Context, a *app, problems bool) error {
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	rows := checkEverything(ctx, lab)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	failed := 0
	for _, r := range rows {
		if r.State == checkFail {
			failed++
		}
	}
	if a.json() {
		if err := a.writeJSON(map[string]any{"ok": failed == 0, "checks": rows}); err != nil {
			return err
		}
	} else {
		a.showChecks(rows, problems)
	}
	if failed > 0 {
		return fmt.Errorf("lab %s: %s failed", lab.Lab, words.Count(failed, "check"))
	}
	return nil
}

// An answer is what one machine said.
type answer struct {
	rows    []checkRow
	vcenter *live.VCenter
	bmc     *live.BMC
	direct  *live.Host
}

// checkEverything asks all machines side by side, each once, and then compares the lab file with their answers.
func checkEverything(ctx context.Context, lab *inventory.Lab) []checkRow {
	var asks []func() answer
	for _, v := range lab.VCenters {
		asks = append(asks, func() answer {
			rows, seen := checkVCenter(ctx, lab, v)
			return answer{rows: rows, vcenter: seen}
		})
	}
	for _, h := range lab.Hosts {
		if h.BMC != nil || h.WakeOnLAN != nil {
			asks = append(asks, func() answer {
				rows, seen := checkPower(ctx, lab, h)
				return answer{rows: rows, bmc: seen}
			})
		}
		if h.ESXi != nil {
			asks = append(asks, func() answer {
				rows, seen := checkDirect(ctx, lab, h)
				return answer{rows: rows, direct: seen}
			})
		}
		if h.SSH != nil {
			asks = append(asks, func() answer { return answer{rows: checkSSH(ctx, "host "+h.Name, *h.SSH, lab.Dir)} })
		}
	}
	for _, s := range lab.StorageHosts {
		asks = append(asks, func() answer { return answer{rows: checkStorageHost(ctx, lab, s)} })
	}
	for _, m := range lab.Machines {
		asks = append(asks, func() answer { return answer{rows: checkSSH(ctx, "machine "+m.Name, m.SSH, lab.Dir)} })
	}
	for _, x := range lab.ApplicationClusters {
		for _, s := range x.At {
			asks = append(asks, func() answer { return answer{rows: checkApplication(ctx, x, s, lab.Dir)} })
		}
	}
	for _, ch := range lab.Notifications.Channels {
		asks = append(asks, func() answer { return answer{rows: checkChannel(ctx, ch, lab.Dir)} })
	}
	for _, u := range lab.UPS {
		asks = append(asks, func() answer { return answer{rows: checkUPS(ctx, lab, u)} })
	}
	var rows []checkRow
	seen, bmcs, direct := map[string]live.VCenter{}, map[string]live.BMC{}, map[string]live.Host{}
	for _, x := range allAtOnce(asks) {
		rows = append(rows, x.rows...)
		if x.vcenter != nil {
			seen[x.vcenter.Name] = *x.vcenter
		}
		if x.bmc != nil {
			bmcs[x.bmc.Host] = *x.bmc
		}
		if x.direct != nil {
			direct[x.direct.Name] = *x.direct
		}
	}
	return append(rows, checkPlaces(lab, seen, bmcs, direct)...)
}

// checkSSH looks whether the machine shows the key that is recorded, and tries the login.
func checkSSH(ctx context.Context, subject string, s inventory.SSH, dir string) []checkRow {
	c := &checks{subject: subject}
	switch err := sshexec.Check(ctx, s, dir); {
	case err != nil:
		c.fail("SSH", err)
	case s.User == "":
		c.ok("SSH", "shows the host key that is recorded")
	default:
		c.ok("SSH", "shows the host key that is recorded, and lets %s in", s.User)
	}
	return c.rows
}

func (a *app) showChecks(rows []checkRow, problems bool) {
	p := a.paint()
	var lines [][]string
	good, warned := 0, 0
	for _, r := range rows {
		if r.State == checkOK {
			good++
			if problems {
				continue
			}
		}
		if r.State == checkWarn {
			warned++
		}
		text := r.Text
		if r.Remedy != "" {
			text += " -> " + r.Remedy
		}
		lines = append(lines, []string{r.State, r.Subject, r.Check, text})
	}
	if len(lines) > 0 {
		table(a.out, p, []string{"", "WHAT", "CHECK", "RESULT"}, lines)
		a.printf("\n")
	}
	more := ""
	if warned > 0 {
		more += ", " + words.Count(warned, "warning")
	}
	if failed := len(rows) - good - warned; failed > 0 {
		more += fmt.Sprintf(", %d FAILED", failed)
	}
	a.printf("%d of %s in order%s.\n", good, words.Count(len(rows), "check"), more)
}
