package activities

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
)

// send asks once: over HTTP, by a command here, or by one on another machine.
func (w *watcher) send(ctx context.Context) error {
	secrets, err := w.secrets(ctx)
	switch {
	case err != nil:
		return notSent{err}
	case w.hook.URL != "":
		return w.request(ctx, secrets)
	case w.hook.At != nil:
		return w.elsewhere(ctx)
	}
	return w.here(ctx, secrets)
}

// request sends the HTTP request. Errors name neither URL, header nor body: there may be secrets in them.
func (w *watcher) request(ctx context.Context, secrets map[string]inventory.Secret) error {
	fill := func(s string) string {
		return inventory.SecretName.ReplaceAllStringFunc(s, func(m string) string {
			v := secrets[m[2:len(m)-1]]
			return v.Reveal()
		})
	}
	name := "monitoring " + w.of.Name
	r, err := endpoint.Resolve(ctx, name, inventory.Endpoint{URL: fill(w.hook.URL), TLS: w.hook.TLS, Insecure: w.hook.Insecure}, w.a.lab.Dir)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(w.hook.Method, http.MethodPost), r.URL.String(), strings.NewReader(fill(w.hook.Body)))
	if err != nil {
		return refuse(fault.Invalid, "%s: its url in the lab file is no URL", name)
	}
	for key, value := range w.hook.Headers {
		req.Header.Set(key, fill(value))
	}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: r.TLS, DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(req)
	if err != nil {
		return lostOrUnsent(name, err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, mostSaid)) // the status decides, where it cannot be read
	switch code := answer.StatusCode; {
	case code < 300 && rpcError(body):
		return refuse(fault.State, "%s answers %s, with an error in its body: correct its url, headers, body or secrets in the lab file", name, answer.Status)
	case code < 300:
		return nil
	case code == http.StatusTooManyRequests, code >= 500:
		return turnedAway{refuse(fault.Unreachable, "%s answers %s", name, answer.Status)}
	default:
		return refuse(fault.State, "%s answers %s: correct its url, headers or secrets in the lab file", name, answer.Status)
	}
}

// mostSaid bounds what is read of an answer, or of what a command says, in bytes.
const mostSaid = 1 << 20

// rpcError tells of a no that JSON-RPC gives with status 200, as Zabbix does. What it says is not told: it may quote a secret.
func rpcError(body []byte) bool {
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil { // no JSON, or no object
		return false
	}
	return len(answer.Error) > 0 && !slices.Contains([]string{"null", "false", `""`}, string(answer.Error))
}

// said is what a command says, as long as it is not too much: half a secret at its end would not be found.
type said struct {
	text bytes.Buffer
	over bool
}

func (s *said) Write(p []byte) (int, error) {
	if s.over = s.over || s.text.Len()+len(p) > mostSaid; !s.over {
		s.text.Write(p)
	}
	return len(p), nil
}

func (s *said) String() string {
	if s.over {
		return "(more than can be told)"
	}
	return s.text.String()
}

// lostOrUnsent tells a request for which no connection came about from one whose answer is lost. Neither quotes the URL.
func lostOrUnsent(name string, err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	dial := (*net.OpError)(nil)
	if errors.As(err, &dial) && dial.Op == "dial" || errors.Is(err, fault.Identity) {
		return notSent{fault.As(fault.Unreachable, fmt.Errorf("%s: %w", name, err))}
	}
	return fault.As(fault.Unreachable, fmt.Errorf("%s: no answer: %w", name, err))
}

// here runs the command beside the worker, with the secrets in its environment.
func (w *watcher) here(ctx context.Context, secrets map[string]inventory.Secret) error {
	cmd := exec.CommandContext(ctx, w.hook.Run[0], w.hook.Run[1:]...)
	cmd.Dir, cmd.WaitDelay = w.a.lab.Dir, time.Second
	cmd.Env = append(os.Environ(), "NIGHTSHIFT_LAB_NAME="+w.call.Lab, "NIGHTSHIFT_RUN="+w.call.Run)
	for name, v := range secrets {
		cmd.Env = append(cmd.Env, name+"="+v.Reveal())
	}
	var words said
	cmd.Stdout, cmd.Stderr = nil, &words
	err := cmd.Run()
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fault.As(fault.Unreachable, fmt.Errorf("the command of monitoring %s did not end within %s", w.of.Name, hookLimit))
	case errors.As(err, &exit):
		return refuse(fault.State, "the command of monitoring %s ended with %s: %s", w.of.Name, exit, clean(words.String(), secrets))
	}
	return refuse(fault.Invalid, "the command of monitoring %s cannot be run: %w", w.of.Name, err)
}

// clean takes the secrets out of what a command said.
func clean(said string, secrets map[string]inventory.Secret) string {
	for _, v := range secrets {
		if s := v.Reveal(); s != "" {
			said = strings.ReplaceAll(said, s, "(secret)")
		}
	}
	return sshexec.Short(said)
}

// elsewhere runs the command on its machine. Secrets do not go there: whoever lists processes would read them.
func (w *watcher) elsewhere(ctx context.Context) error {
	m := &machine{a: w.a, name: "monitoring " + w.of.Name, entry: *w.hook.At}
	defer m.close()
	conn, err := m.connect(ctx)
	if err != nil {
		return notSent{err}
	}
	cmd, err := conn.Start(ctx, w.hook.Run)
	switch {
	case errors.Is(err, sshexec.ErrNotSent):
		return notSent{err}
	case err != nil:
		return err
	}
	res, err := cmd.Wait(ctx)
	if err != nil {
		return err
	}
	if res.Status != 0 {
		return refuse(fault.State, "the command of monitoring %s: %s", w.of.Name, res.Summary())
	}
	return nil
}
