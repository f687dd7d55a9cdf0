package upswatch

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"nightshift/internal/inventory"
)

// A Due is a power-down that must begin.
type Due struct {
	UPS   []string // names, sorted
	Down  []string // the names of the hosts that go down
	Hosts []string // the same, where these are not all that the UPSes feed; else nil
	Began time.Time
	Why   string
}

// FindDue is the power-down of all UPSes that are critical now; false: there is none. A host that another UPS feeds as well,
// which is on mains, stays up: it goes down with the second.
func FindDue(lab *inventory.Lab, tracks map[string]Track) (Due, bool) {
	var d Due
	var why []string
	for i := range lab.UPS {
		u := &lab.UPS[i]
		t := tracks[u.Name]
		reason := t.Critical(u)
		if reason == "" {
			continue
		}
		d.UPS = append(d.UPS, u.Name)
		why = append(why, "UPS "+u.Name+": "+reason)
		if d.Began.IsZero() || t.Began.Before(d.Began) {
			d.Began = t.Began
		}
	}
	slices.Sort(d.UPS)
	d.Why = strings.Join(why, "; ")
	fed, left := 0, []string{}
	for _, h := range lab.Hosts {
		by := lab.FeedsOf(h.Name)
		if !slices.ContainsFunc(by, func(name string) bool { return slices.Contains(d.UPS, name) }) {
			continue
		}
		fed++
		if !slices.ContainsFunc(by, func(name string) bool { return !slices.Contains(d.UPS, name) && tracks[name].State == Online }) {
			left = append(left, h.Name)
		}
	}
	if d.Down = left; len(left) < fed {
		d.Hosts = left
	}
	return d, len(left) > 0
}

// Names of runbooks, as the catalog has them.
const (
	powerDown = "power-down"
	powerUp   = "power-up"
)

// Parameters are those of the run.
func (d Due) Parameters() map[string]string {
	p := map[string]string{"ups": strings.Join(d.UPS, ",")}
	if len(d.Hosts) > 0 {
		p["host"] = strings.Join(d.Hosts, ",")
	}
	return p
}

// By is who asks for the run.
func (d Due) By() string { return byUPS + strings.Join(d.UPS, ", ") }

const byUPS = "ups "

// ID is the workflow id of the nth try, from 1, of a runbook: several workers, or one that was started anew, begin it once.
// The minute is enough: workers look at their own times.
func (d Due) ID(lab, runbook string, n int) string {
	id := fmt.Sprintf("%s-%s-ups-%s-%s", runbook, lab, strings.Join(d.UPS, "+"), d.Began.UTC().Format(moment))
	if n > 1 {
		id += fmt.Sprintf(".%d", n)
	}
	return id
}

const moment = "20060102-1504"

var again = regexp.MustCompile(`-ups-.+-\d{8}-\d{4}\.\d+$`)

// TriedAgain tells of a run's id whether UPSes have begun it after another try had ended: the watch has told people that it does so.
func TriedAgain(id string) bool { return again.MatchString(id) }

var idEnd = regexp.MustCompile(`^(.+)-(\d{8}-\d{4})(?:\.\d+)?$`)

// dueOf is what a power-down with the id was begun for; false: no UPS has begun it.
func dueOf(lab, id string) (Due, bool) {
	rest, ok := strings.CutPrefix(id, powerDown+"-"+lab+"-ups-")
	m := idEnd.FindStringSubmatch(rest)
	if !ok || m == nil {
		return Due{}, false
	}
	at, err := time.Parse(moment, m[2])
	return Due{UPS: strings.Split(m[1], "+"), Began: at}, err == nil
}

// hostsOf are those that a power-down takes down that UPSes have begun: what it was asked for, else all that they feed.
func hostsOf(lab *inventory.Lab, r Run, upses []string) (names []string) {
	if list := r.Parameters["host"]; list != "" {
		return strings.Split(list, ",")
	}
	for _, h := range lab.Hosts {
		if slices.ContainsFunc(lab.FeedsOf(h.Name), func(name string) bool { return slices.Contains(upses, name) }) {
			names = append(names, h.Name)
		}
	}
	return names
}

// ours tells for what a run was begun, if UPSes have begun it, and whether it takes down what d wants down. For which UPSes it
// was begun does not matter: one that tells nothing any more is not among them now.
func (w *Watch) ours(r Run, d Due) (was Due, ours, covers bool) {
	was, ours = dueOf(w.Lab.Lab, r.ID)
	if !ours {
		return was, false, false
	}
	hosts := hostsOf(w.Lab, r, was.UPS)
	return was, true, !slices.ContainsFunc(d.Down, func(name string) bool { return !slices.Contains(hosts, name) })
}
