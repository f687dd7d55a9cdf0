// Package notice is what people are told, as the templates of the lab file get it. It knows neither who tells it nor how it
// is sent: package notify does both.
package notice

import "time"

// Data is what a template of the lab file gets. Fields are only added; docs/notifications.md lists them.
type Data struct {
	Event   string    // "blocked": one of the words of notifications.channels[].on
	Lab     string    // the lab's name
	Runbook string    // "power-down"; empty where it is about no runbook
	Run     string    // the run's id, as commands take it; empty where it is about no run
	By      string    // who asked for the run, as claimed
	Title   string    // of the plan: "Power down lab home: 4 hosts, 13 guests"; empty before there is one
	Subject string    // the built-in subject line
	Why     string    // why the run stands, or ended, as it did
	Steps   []Step    // blocked steps, the first few
	More    int       // how many blocked steps are not in Steps
	Lines   []string  // more to know, a line each
	Next    []Command // commands to type next
	At      time.Time // when it happened, in the worker's time zone
	// Deadline is when the run ends by itself if nobody answers; zero: never.
	Deadline time.Time
	Link     string // the run's page in the Temporal UI; empty where none is known
	Text     string // the built-in text
}

// A Step that is blocked.
type Step struct{ ID, Title, Why string }

// A Command to type, and what it is good for.
type Command struct{ Type, Why string }
