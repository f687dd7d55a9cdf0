package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/runapi"
)

// Kinds of changes.
const (
	changeAdd    = "add"
	changeChange = "change"
	changeRemove = "remove"
)

// A difference between the schedules that the lab file declares and those that are there.
type difference struct {
	Lab     string           `json:"lab"`
	Changes []scheduleChange `json:"changes"`
	// ByHand are the schedules that the lab file has nothing to do with.
	ByHand  []string `json:"byHand"`
	Applied bool     `json:"applied"`
}

type scheduleChange struct {
	Schedule string        `json:"schedule"`
	Change   string        `json:"change"` // add, change, remove
	Fields   []fieldChange `json:"fields,omitempty"`

	from, to runapi.Schedule
}

type fieldChange struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// differenceOf holds the schedules of the lab file against those that are there.
func differenceOf(lab *inventory.Lab, there []runapi.Schedule, now time.Time) (difference, error) {
	d := difference{Lab: lab.Lab, Changes: []scheduleChange{}, ByHand: []string{}}
	wanted := map[string]bool{}
	for _, s := range lab.Schedules {
		wanted[s.Name] = true
		to := declared(lab, s)
		i := slices.IndexFunc(there, func(o runapi.Schedule) bool { return o.Name == s.Name })
		switch {
		case i < 0:
			if end, err := endOf(to.Until, to.Zone); to.Until != "" && err == nil && end.Before(now) {
				continue // it has ended, and would start nothing
			}
			d.Changes = append(d.Changes, scheduleChange{Schedule: s.Name, Change: changeAdd, to: to})
			continue
		case !there[i].Declared:
			return d, &exitError{exitRefused, fmt.Errorf("schedule %s was made by hand, and the lab file declares one of that name: remove it with `nightshift schedule remove %s`, or give the other another name", s.Name, s.Name)}
		case there[i].Runbook != s.Runbook: // its id and its runs are others
			if s.Paused == nil {
				to.Paused, to.Note = there[i].Paused, there[i].Note
			}
			d.Changes = append(d.Changes, scheduleChange{Schedule: s.Name, Change: changeRemove, from: there[i]},
				scheduleChange{Schedule: s.Name, Change: changeAdd, from: there[i], to: to})
			continue
		}
		if s.Paused == nil {
			to.Paused, to.Note = there[i].Paused, there[i].Note
		}
		if fields := fieldsThatDiffer(there[i], to); len(fields) > 0 {
			d.Changes = append(d.Changes, scheduleChange{Schedule: s.Name, Change: changeChange, Fields: fields, from: there[i], to: to})
		}
	}
	for _, o := range there {
		switch {
		case wanted[o.Name]:
		case o.Declared:
			d.Changes = append(d.Changes, scheduleChange{Schedule: o.Name, Change: changeRemove, from: o})
		default:
			d.ByHand = append(d.ByHand, o.Name)
		}
	}
	slices.SortStableFunc(d.Changes, func(a, b scheduleChange) int { return cmp.Compare(a.Schedule, b.Schedule) })
	slices.Sort(d.ByHand)
	return d, nil
}

// declared is a schedule as the lab file has it.
func declared(lab *inventory.Lab, s inventory.Schedule) runapi.Schedule {
	return runapi.Schedule{Name: s.Name, Lab: lab.Lab, Runbook: s.Runbook, Cron: s.Cron, Calendar: strings.Join(strings.Fields(s.Calendar), " "), Zone: s.Zone, Jitter: s.Jitter, Until: s.Until,
		Parameters: s.Parameters, OnFailure: s.OnFailure, Deadline: s.Deadline, Paused: s.Paused != nil && *s.Paused,
		Approval: lab.Settings(s.Runbook).Approval, Steps: ofOnesOwn(s.Runbook), Declared: true}
}

func fieldsThatDiffer(from, to runapi.Schedule) (list []fieldChange) {
	a, b := fieldsOf(from), fieldsOf(to)
	for i := range a {
		if a[i][1] != b[i][1] {
			list = append(list, fieldChange{Field: a[i][0], From: a[i][1], To: b[i][1]})
		}
	}
	return list
}

// fieldsOf are what a person says of a schedule, by the keys of the lab file.
func fieldsOf(s runapi.Schedule) [][2]string {
	long := func(d interface{ String() string }) string {
		if text := d.String(); text != "0s" {
			return text
		}
		return ""
	}
	return [][2]string{{"calendar", s.Calendar}, {"cron", s.Cron}, {"zone", s.Zone}, {"jitter", long(s.Jitter)}, {"until", s.Until},
		{"parameters", strings.TrimSpace(sayParameters(s.Parameters))}, {"onFailure", string(s.OnFailure)}, {"deadline", long(s.Deadline)},
		{"paused", fmt.Sprint(s.Paused)}, {"approval", fmt.Sprint(s.Approval)}}
}

// summary counts the changes: those to be made, or those that were.
func (d difference) summary() string {
	n := map[string]int{}
	for _, c := range d.Changes {
		n[c.Change]++
	}
	if d.Applied {
		return fmt.Sprintf("%d added, %d changed, %d removed", n[changeAdd], n[changeChange], n[changeRemove])
	}
	return fmt.Sprintf("%d to add, %d to change, %d to remove", n[changeAdd], n[changeChange], n[changeRemove])
}

func (a *app) printDifference(lab string, d difference) {
	p := a.paint()
	for _, c := range d.Changes {
		switch c.Change {
		case changeAdd:
			a.printf("%s schedule %s: %s%s, %s%s\n", p.on(green, "+"), c.Schedule, c.to.Runbook, sayParameters(c.to.Parameters), c.to.When(), sayRest(c.to))
		case changeRemove:
			a.printf("%s schedule %s: %s, %s\n", p.on(red, "-"), c.Schedule, c.from.Runbook, c.from.When())
		default:
			a.printf("%s schedule %s\n", p.on(yellow, "~"), c.Schedule)
			for _, f := range c.Fields {
				a.printf("    %s: %s -> %s\n", f.Field, cmp.Or(f.From, "(none)"), cmp.Or(f.To, "(none)"))
			}
		}
	}
	if len(d.ByHand) > 0 {
		a.printf("Left alone, as made by hand: %s.\n", join(d.ByHand))
	}
	if len(d.Changes) == 0 {
		a.printf("The schedules of lab %s are as the lab file declares them.\n", lab)
		return
	}
	if !d.Applied {
		a.printf("%s.\n", d.summary())
	}
}
