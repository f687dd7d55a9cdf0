package main

import (
	"context"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
)

// warnOfSecrets resolves every secret of the lab file once, and reads every key file, where they will be needed, and says which
// cannot be had: a run in the night is too late to learn it. Values are not kept.
func (a *app) warnOfSecrets(ctx context.Context, lab *inventory.Lab) {
	type place struct {
		of  string
		ref inventory.SecretRef
	}
	var places []place
	for _, v := range lab.VCenters {
		places = append(places, place{"password of vCenter " + v.Name, v.Password})
	}
	for _, h := range lab.Hosts {
		if h.BMC != nil {
			places = append(places, place{"password of BMC of " + h.Name, h.BMC.Password})
		}
	}
	for _, h := range lab.StorageHosts {
		if h.Target == nil {
			continue
		}
		for _, c := range h.Target.CHAP {
			places = append(places, place{"CHAP secret of " + c.User + " at storage host " + h.Name, c.Secret}, place{"CHAP secret of storage host " + h.Name, c.MutualSecret})
		}
	}
	for _, ch := range lab.Notifications.Channels {
		places = append(places, place{"URL of channel " + ch.Name, ch.URL})
	}
	for _, m := range lab.Monitoring {
		for _, name := range sortedKeys(m.Secrets) {
			places = append(places, place{"secret " + name + " of monitoring " + m.Name, m.Secrets[name]})
		}
	}
	for _, u := range lab.UPS {
		places = append(places, place{"UPS " + u.Name, u.Password})
	}
	for _, g := range lab.Guests {
		if g.Login != nil {
			places = append(places, place{"guest " + g.Name, g.Login.Password})
		}
	}
	var names []string
	var asks []func() string
	for _, p := range places {
		names = append(names, p.of)
		asks = append(asks, func() string {
			if _, err := p.ref.Resolve(ctx, lab.Dir); err != nil {
				return oneLine(err)
			}
			return ""
		})
	}
	for _, p := range sshPlaces(lab) {
		names = append(names, "login of "+p.machine)
		asks = append(asks, func() string {
			r, err := sshexec.Resolve(ctx, p.machine, p.ssh, lab.Dir)
			if err != nil {
				return strings.TrimPrefix(oneLine(err), p.machine+": ")
			}
			r.Close()
			return ""
		})
	}
	var told []string
	for i, why := range allAtOnce(asks) {
		if why == "" || ctx.Err() != nil || slices.Contains(told, why) { // one variable for all BMCs is one thing to do
			continue
		}
		told = append(told, why)
		a.notef("Warning: the %s: %s", names[i], why)
	}
	if len(told) > 0 {
		a.notef("Runs that need it will fail. After a change of the environment, start `nightshift serve` again.")
	}
}
