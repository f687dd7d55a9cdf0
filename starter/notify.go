package main

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
)

func newNotifyCommand(a *app) *cobra.Command {
	return group("notify", "Who is told what: mail, chat, push, webhooks", newNotifyListCommand(a), newNotifyTestCommand(a))
}

func newNotifyListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the channels of the lab file, and what each is told",
		Args:  atMost(0),
		RunE:  func(*cobra.Command, []string) error { return runNotifyList(a) },
	}
}

// A channelInfo is what may be said of a channel: its URL is a secret.
type channelInfo struct {
	Name     string   `json:"name"`
	From     string   `json:"from"` // where its URL is kept
	On       []string `json:"on"`
	Runbooks []string `json:"runbooks,omitempty"` // empty: all
}

func runNotifyList(a *app) error {
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	list := []channelInfo{}
	for _, ch := range lab.Notifications.Channels {
		list = append(list, channelInfo{ch.Name, ch.URL.Source(), toldTo(ch), ch.Runbooks})
	}
	if a.json() {
		return a.writeJSON(list)
	}
	if len(list) == 0 {
		a.printf("Lab %s tells nobody: the lab file has no notifications (see docs/notifications.md).\n", lab.Lab)
		return nil
	}
	var rows [][]string
	for _, c := range list {
		rows = append(rows, []string{c.Name, c.From, strings.Join(c.On, " "), cmp.Or(join(c.Runbooks), "all")})
	}
	table(a.out, a.paint(), []string{"CHANNEL", "URL FROM", "TOLD OF", "RUNBOOKS"}, rows)
	return nil
}

// toldTo are the events that a channel is told of.
func toldTo(ch inventory.Channel) []string {
	if len(ch.On) > 0 {
		return ch.On
	}
	return inventory.DefaultEvents()
}
