package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// sendTelegram sends to every chat of the URL. The library (v0.13.2) takes a server that does not answer, and every answer
// that is not JSON, for success, so this asks Telegram's Bot API itself.
func sendTelegram(ctx context.Context, c *telegram.Config, m Message) error {
	for _, chat := range c.Chats {
		id, thread, threaded := strings.Cut(chat, ":")
		p := telegram.SendMessagePayload{Text: m.Title + "\n\n" + m.Text, ID: id, DisablePreview: !c.Preview, DisableNotification: !c.Notification}
		if n, err := strconv.Atoi(thread); err == nil && threaded {
			p.MessageThreadID = &n
		}
		if err := postTelegram(ctx, c.Token, p); err != nil {
			return err
		}
	}
	return nil
}

func postTelegram(ctx context.Context, token string, p telegram.SendMessagePayload) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://api.telegram.org/bot"+token+"/sendMessage", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct {
		OK          bool   `json:"ok"`
		Description string `json:"description"`
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err == nil && json.Unmarshal(b, &answer) == nil && answer.OK && res.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("Telegram answers with status %d: %s", res.StatusCode, answer.Description) //nolint:staticcheck // a name
}
