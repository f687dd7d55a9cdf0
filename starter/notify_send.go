package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/internal/notify"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

func newNotifyTestCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "test [CHANNEL…]",
		Short: "Send a test message through each channel, once",
		Long: `Send a test message through each channel of the lab file, or those named, once and side by side, and tell what went
wrong. The secrets are read here, where you type it; runs read them where nightshift serve, or the worker, runs.
Exit code 1 when a message could not be sent.`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			lab, err := a.loadLab()
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return channelNames(lab), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error { return runNotifyTest(c.Context(), a, args) },
	}
}

func channelNames(lab *inventory.Lab) (names []string) {
	for _, ch := range lab.Notifications.Channels {
		names = append(names, ch.Name)
	}
	return names
}

// A sending is what became of a message through one channel.
type sending struct {
	Channel string `json:"channel"`
	Sent    bool   `json:"sent"`
	Error   string `json:"error,omitempty"`
}

func runNotifyTest(ctx context.Context, a *app, names []string) error {
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	all := channelNames(lab)
	if len(all) == 0 {
		return usage("the lab file has no notifications: there is nothing to test (see docs/notifications.md)")
	}
	if len(names) == 0 {
		names = all
	}
	var asks []func() sending
	sender := notify.New()
	for _, name := range names {
		ch, ok := lab.Channel(name)
		if !ok {
			return usage("there is no channel %q; the lab file has %s", name, strings.Join(all, ", "))
		}
		asks = append(asks, func() sending { return testChannel(ctx, a, sender, lab, *ch) })
	}
	list := allAtOnce(asks)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	failed := 0
	var rows [][]string
	for _, s := range list {
		state, text := checkOK, "sent"
		if !s.Sent {
			failed++
			state, text = checkFail, s.Error
		}
		rows = append(rows, []string{state, s.Channel, text})
	}
	if a.json() {
		if err := a.writeJSON(list); err != nil {
			return err
		}
	} else {
		table(a.out, a.paint(), []string{"", "CHANNEL", "RESULT"}, rows)
	}
	if failed > 0 {
		return fmt.Errorf("lab %s: no message through %s", lab.Lab, words.Count(failed, "channel"))
	}
	return nil
}

func testChannel(ctx context.Context, a *app, sender *notify.Sender, lab *inventory.Lab, ch inventory.Channel) sending {
	n := runapi.Notice{Event: runapi.EventTest, Lab: lab.Lab, At: a.now(), Subject: "this is a test",
		Lines: []string{"A test of channel " + ch.Name + ", sent by " + a.who + ".", "It is told of: " + strings.Join(toldTo(ch), ", ") + "."},
	}
	if err := sender.Send(ctx, ch, lab.Dir, notify.For(ch, notify.Compose(n, ""))); err != nil {
		return sending{Channel: ch.Name, Error: strings.TrimPrefix(oneLine(err), "channel "+ch.Name+" ")}
	}
	return sending{Channel: ch.Name, Sent: true}
}
