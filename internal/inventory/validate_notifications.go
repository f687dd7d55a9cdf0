package inventory

import (
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/notice"
)

func (c *checker) notifications() {
	const at = "notifications.channels"
	if c.has(at) && len(c.f.Notifications.Channels) == 0 && !c.unread[at] {
		c.add(at, "there is no channel", "list at least one, or remove the key")
	}
	seen := map[string]string{}
	for i, ch := range c.f.Notifications.Channels {
		field := fmt.Sprintf("%s[%d]", at, i)
		c.name(field+".name", ch.Name)
		c.unique(seen, ch.Name, field+".name", "the channel "+ch.Name)
		if c.has(field+".url") && ch.URL == "" {
			c.add(field+".url", "the reference is empty", secretRemedy)
		}
		c.secret(field+".url", ch.URL)
		c.eachOf(field+".on", ch.On, "event", EventNames())
		c.eachOf(field+".runbooks", ch.Runbooks, "runbook", c.runbookNames())
		c.template(field+".title", ch.Title)
		c.template(field+".text", ch.Text)
	}
}

// eachOf checks a list of words of which none is there twice.
func (c *checker) eachOf(field string, list []string, what string, words []string) {
	if c.has(field) && len(list) == 0 && !c.unread[field] {
		c.add(field, "the list is empty", "leave the key out for the default; allowed: "+strings.Join(words, ", "))
	}
	for i, w := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case c.unread[at]:
		case !slices.Contains(words, w):
			c.add(at, fmt.Sprintf("there is no %s %q", what, w), allowed(w, words))
		case slices.Contains(list[:i], w):
			c.add(at, fmt.Sprintf("%s is here twice", w), "once is enough")
		}
	}
}

// template tries a template. Its errors name a place in it, and never a secret.
func (c *checker) template(field string, t string) {
	if !c.has(field) || c.unread[field] {
		return
	}
	if strings.TrimSpace(t) == "" {
		c.add(field, "the template is empty", "leave the key out for the built-in text")
		return
	}
	if err := notice.Check(t); err != nil {
		c.add(field, "the template does not work: "+strings.TrimPrefix(err.Error(), "template: "),
			"Go's text/template; docs/notifications.md lists what it can use, such as {{.Subject}} and {{.Text}}")
	}
}
