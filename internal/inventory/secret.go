package inventory

import (
	"fmt"
	"io"
	"log/slog"
)

const (
	redacted = "[redacted]"
	noSecret = "[no secret]"
)

// A Secret is a password or the like. It can be printed, logged and marshalled, and then says "[redacted]"; only Reveal
// gives it away. The zero Secret is no secret at all, and says "[no secret]".
type Secret struct {
	// A closure, as fmt and debuggers follow pointers and unexported fields by reflection, but not into a function.
	reveal func() string
}

// NewSecret makes a Secret; of "" the zero one.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{reveal: func() string { return s }}
}

// Reveal is the secret itself; "" where there is none.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.reveal == nil }

func (s Secret) String() string {
	if s.IsZero() {
		return noSecret
	}
	return redacted
}

// Format answers every verb of fmt, %#v and %x among them, with String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText serves JSON, YAML, XML and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue serves slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
