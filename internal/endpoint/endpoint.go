// Package endpoint turns what the lab file says about a service into what a client needs to reach it: the address, the
// login, and a TLS configuration that accepts the right machine only.
//
// It knows no device: vsphere, redfish and the rest bring their own protocols.
package endpoint

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// Resolved is an endpoint that is ready to be used. It holds a secret, which redacts itself when printed.
type Resolved struct {
	Name     string   // as errors name it: "vCenter vc1"
	URL      *url.URL // without a slash at the end of its path, and without a login
	User     string
	Password inventory.Secret
	// Basic asks for basic authentication from the start, where there would be sessions. The caller sets it.
	Basic bool
	// TLS verifies the machine by its fingerprint, by a CA file or by the system's CAs; nil for http://. A refusal is a
	// fault.Identity, also through http.Client. InsecureSkipVerify is set in it because VerifyConnection does the work:
	// keep both when changing a copy. nil for ipmi://, too.
	TLS      *tls.Config
	Warnings []string // what a person should know who uses it
}

// Resolve reads the secret and the CA file that e names; dir is the lab file's. It does not connect.
// Errors are fault.Invalid, but for a command for a secret that takes too long: fault.Unreachable.
func Resolve(ctx context.Context, name string, e inventory.Endpoint, dir string) (Resolved, error) {
	r := Resolved{Name: name, User: e.User}
	u, err := url.Parse(strings.TrimRight(e.URL, "/"))
	if err != nil || u.Hostname() == "" {
		// Not quoted: whoever writes a login into it is not to find it in a log.
		return Resolved{}, fault.As(fault.Invalid, fmt.Errorf("%s: its url in the lab file is no URL", name))
	}
	r.URL = u
	switch {
	case u.User != nil:
		return Resolved{}, fault.As(fault.Invalid, fmt.Errorf("%s: its url in the lab file holds a login: use user and password", name))
	case u.Scheme == "http" && e.Insecure:
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s is reached over plain http: anyone on the way can read its password (insecure: true)", name))
	case u.Scheme == "ipmi":
		r.Warnings = append(r.Warnings, IPMIWarning(name))
	case u.Scheme == "https":
		if r.TLS, err = tlsConfig(name, u, e.TLS, dir); err != nil {
			return Resolved{}, fault.As(fault.Invalid, err)
		}
	default:
		return Resolved{}, fault.As(fault.Invalid, fmt.Errorf("%s: %s:// is not allowed: use https://, or http:// with insecure: true", name, u.Scheme))
	}
	if e.TLS.Legacy {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s may use TLS 1.0 and keys without forward secrecy: who records the traffic and gets its key later can read it (legacyTLS: true)", name))
	}
	if r.Password, err = e.Password.Resolve(ctx, dir); err != nil {
		return Resolved{}, fmt.Errorf("%s: its password: %w", name, err)
	}
	return r, nil
}

// IPMIWarning is what a person should know who reaches a machine through IPMI.
func IPMIWarning(name string) string {
	return name + " is reached by IPMI, which has no certificate, and tells everybody who asks for the user's name a hash to try passwords on " +
		"(RAKP): keep it in a network of its own, with a long password that nothing else has; Redfish (https://) is better where the BMC has it"
}

func tlsConfig(name string, u *url.URL, t inventory.TLS, dir string) (*tls.Config, error) {
	v := verifier{name: name, host: u.Hostname()}
	switch {
	case t.Fingerprint != "":
		sum, err := inventory.ParseFingerprint(t.Fingerprint)
		if err != nil {
			return nil, fmt.Errorf("%s: tls.fingerprint in the lab file: %w", name, err)
		}
		v.pin = &sum
	case t.Legacy:
		return nil, fmt.Errorf("%s: legacyTLS goes with a fingerprint only: run `nightshift lab trust`", name)
	case t.CA != "":
		path := t.CA
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: read its CA file: %w", name, err)
		}
		if v.roots, err = pool(pem); err != nil {
			return nil, fmt.Errorf("%s: its CA file %s: %w", name, path, err)
		}
	}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies, in words that say what to do
		VerifyConnection:   v.verify,
	}
	if t.Legacy {
		allowLegacy(c)
	}
	return c, nil
}
