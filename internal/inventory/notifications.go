package inventory

import (
	"slices"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// Notifications say who is told what: mail, chat, push, webhooks.
type Notifications struct {
	Channels []Channel `json:"channels,omitempty"`
	// DebtsAfter is how long something may stay switched off, without a power-up that is scheduled, before it is told. Default 24h.
	DebtsAfter plan.Duration `json:"debtsAfter,omitempty"`
}

// A Channel is a way to people.
type Channel struct {
	Name string `json:"name"`
	// URL says where to, as the library shoutrrr writes it (smtp://…, ntfy://…, slack://…; docs/notifications.md). It holds
	// logins and tokens, so it is a reference: env:NAME, file:/path or exec:command.
	URL SecretRef `json:"url"`
	// On lists what is told. Default: everything that needs a person, which is all but done.
	On []string `json:"on,omitempty"`
	// Runbooks limits it to runs of these runbooks, by catalog name. Default: all.
	Runbooks []string `json:"runbooks,omitempty"`
	// Title and Text are templates (Go's text/template) for the subject line and the text. Default: the built-in ones.
	Title string `json:"title,omitempty"`
	Text  string `json:"text,omitempty" lines:"true"`
}

// Wants tells whether the channel is to be told of the event. An empty runbook: it is about none.
func (c Channel) Wants(e runapi.Event, runbook string) bool {
	if runbook != "" && len(c.Runbooks) > 0 && !slices.Contains(c.Runbooks, runbook) {
		return false
	}
	if len(c.On) == 0 {
		return e.NeedsPerson()
	}
	return slices.Contains(c.On, string(e))
}

// Channel finds a channel by its name.
func (l *Lab) Channel(name string) (*Channel, bool) {
	return find(l.Notifications.Channels, func(c *Channel) bool { return c.Name == name })
}

// DefaultEvents are what a channel is told of that does not say.
func DefaultEvents() []string {
	var out []string
	for _, e := range runapi.Events() {
		if e.NeedsPerson() {
			out = append(out, string(e))
		}
	}
	return out
}

// EventNames are what a channel can be told of.
func EventNames() []string {
	var out []string
	for _, e := range runapi.Events() {
		out = append(out, string(e))
	}
	return out
}
