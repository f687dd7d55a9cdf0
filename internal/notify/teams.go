package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const teamsScheme = "teams"

// workflow is the URL of a Teams workflow ("When a Teams webhook request is received"), written as teams+https://…; nil: the
// channel is none. The library (v0.13.2) knows only the connectors of Office 365, which Microsoft has retired.
func (a *address) workflow() (*url.URL, error) {
	u, err := url.Parse(a.raw.Reveal())
	if err != nil || a.scheme != teamsScheme || !strings.Contains(u.Scheme, "+") {
		return nil, nil //nolint:nilerr // it was parsed before
	}
	if !strings.EqualFold(u.Scheme, teamsScheme+"+https") || u.Hostname() == "" {
		return nil, a.wrong(fmt.Errorf("write the URL of the workflow as %s+https://…, as Teams gave it", teamsScheme))
	}
	u.Scheme = "https"
	return u, nil
}

// A teamsMessage is what a workflow takes: Adaptive Cards as attachments of a message.
type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string       `json:"contentType"`
	Content     adaptiveCard `json:"content"`
}

// An adaptiveCard has version 1.4 of its schema, the last that Teams shows everywhere.
type adaptiveCard struct {
	Schema  string         `json:"$schema"`
	Type    string         `json:"type"`
	Version string         `json:"version"`
	Teams   map[string]any `json:"msteams"`
	Body    []richText     `json:"body"`
}

// A richText is a paragraph of text that is shown as it is: a TextBlock would read Markdown in the names of the lab.
type richText struct {
	Type    string    `json:"type"`
	Spacing string    `json:"spacing,omitempty"`
	Inlines []textRun `json:"inlines"`
}

type textRun struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Weight string `json:"weight,omitempty"`
	Size   string `json:"size,omitempty"`
	Font   string `json:"fontType,omitempty"`
}

// card is the message, each line a paragraph, and commands in the letters of a terminal.
func card(m Message) teamsMessage {
	body := []richText{{Type: "RichTextBlock", Inlines: []textRun{{Type: "TextRun", Text: m.Title, Weight: "Bolder", Size: "Medium"}}}}
	spacing := "Medium"
	for _, line := range strings.Split(m.Text, "\n") {
		if strings.TrimSpace(line) == "" {
			spacing = "Medium"
			continue
		}
		run := textRun{Type: "TextRun", Text: line}
		if strings.HasPrefix(line, "nightshift ") {
			run.Font = "Monospace"
		}
		body = append(body, richText{Type: "RichTextBlock", Spacing: spacing, Inlines: []textRun{run}})
		spacing = "None"
	}
	return teamsMessage{Type: "message", Attachments: []teamsAttachment{{ContentType: "application/vnd.microsoft.card.adaptive",
		Content: adaptiveCard{Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
			Teams: map[string]any{"width": "Full"}, Body: body}}}}
}

// sendTeams gives a workflow the card. It answers 202, before it has posted it.
func sendTeams(ctx context.Context, u *url.URL, m Message) error {
	body, err := json.Marshal(card(m))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	return fmt.Errorf("Teams answers with status %d", res.StatusCode) //nolint:staticcheck // a name
}
