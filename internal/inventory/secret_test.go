package inventory_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"testing"
	"text/template"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

const hidden = "hunter2"

// holder has a secret wherever Go can put one; fmt prints unexported fields without asking their methods.
type holder struct {
	Public  inventory.Secret
	Pointer *inventory.Secret
	List    []inventory.Secret
	Map     map[string]inventory.Secret
	Any     any
	private inventory.Secret
	nested  struct{ s *inventory.Secret }
}

func newHolder() holder {
	s := inventory.NewSecret(hidden)
	h := holder{Public: s, Pointer: &s, List: []inventory.Secret{s}, Map: map[string]inventory.Secret{"k": s}, Any: s, private: s}
	h.nested.s = &s
	return h
}

func requireHidden(t *testing.T, text, what string) {
	t.Helper()
	require.NotContains(t, text, hidden, what)
	require.NotContains(t, text, fmt.Sprintf("%x", hidden), what)
	require.NotContains(t, text, fmt.Sprintf("%X", hidden), what)
	require.NotContains(t, text, fmt.Sprintf("%d", []byte(hidden)), what)
}

func TestSecretIsNeverPrinted(t *testing.T) {
	s, h := inventory.NewSecret(hidden), newHolder()
	require.Equal(t, hidden, s.Reveal())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%p", "%T", "%10v", "%w", "%!", "%U"} {
		for _, v := range []any{s, &s, h, &h, []any{s, &s}, map[string]any{"k": h}, struct{ error }{fmt.Errorf("login as %v", s)}} {
			requireHidden(t, fmt.Sprintf(verb, v), verb)
		}
	}
	require.Equal(t, "[redacted]", fmt.Sprint(s))
	require.Equal(t, "[redacted]", fmt.Sprintf("%#v", &s))
	requireHidden(t, fmt.Sprint(h), "Sprint")
}

func TestSecretIsNeverMarshalled(t *testing.T) {
	s, h := inventory.NewSecret(hidden), newHolder()
	for _, v := range []any{s, &s, h, &h, []inventory.Secret{s}} {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		requireHidden(t, string(b), "JSON")
		b, err = yaml.Marshal(v)
		require.NoError(t, err)
		requireHidden(t, string(b), "YAML")
		require.Contains(t, string(b), "[redacted]")
	}
	b, err := xml.Marshal(s)
	require.NoError(t, err)
	requireHidden(t, string(b), "XML")
	require.Error(t, json.Unmarshal([]byte(`"[redacted]"`), &s), "what was marshalled is no secret any more") //nolint:staticcheck // that it cannot be done is what is tested
}

func TestSecretIsNeverLogged(t *testing.T) {
	s, h := inventory.NewSecret(hidden), newHolder()
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("login", "secret", s, "pointer", &s, "holder", h, slog.Group("g", "s", s), "err", fmt.Errorf("with %v", s))
	}
	require.NoError(t, template.Must(template.New("").Parse("{{.}} {{.Public}} {{printf \"%#v\" .}}")).Execute(&out, h))
	requireHidden(t, out.String(), "log")
	require.Contains(t, out.String(), "[redacted]")
}

func TestZeroSecretIsNone(t *testing.T) {
	var s inventory.Secret
	require.True(t, s.IsZero())
	require.True(t, inventory.NewSecret("").IsZero())
	require.Empty(t, s.Reveal())
	require.Equal(t, "[no secret]", fmt.Sprintf("%#v", s))
}
