package endpoint_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

var otherPin = strings.TrimSuffix(strings.Repeat("AB:", 32), ":")

func TestPinnedCertificate(t *testing.T) {
	s, requests := serve(t, nil)
	right := endpoint.Fingerprint(s.Certificate())
	r := resolve(t, inventory.Endpoint{URL: s.URL, TLS: inventory.TLS{Fingerprint: strings.ToLower(strings.ReplaceAll(right, ":", ""))}}, "")
	require.NoError(t, get(r))
	require.Equal(t, 1, *requests)
	require.Empty(t, r.Warnings)

	r = resolve(t, inventory.Endpoint{URL: s.URL, TLS: inventory.TLS{Fingerprint: otherPin}}, "")
	err := get(r)
	require.ErrorIs(t, err, fault.Identity, "through url.Error")
	for _, part := range []string{"vCenter vc1", r.URL.Hostname(), "it shows " + right, "recorded is " + otherPin, "nightshift lab trust"} {
		require.ErrorContains(t, err, part)
	}
	require.Equal(t, 1, *requests, "nothing was sent to the wrong machine")
}

// A session that the right machine began is not resumed once the pin is another.
func TestPinIsCheckedAtResumption(t *testing.T) {
	s, _ := serve(t, nil)
	pinned := func(pin string, cache tls.ClientSessionCache) endpoint.Resolved {
		r := resolve(t, inventory.Endpoint{URL: s.URL, TLS: inventory.TLS{Fingerprint: pin}}, "")
		r.TLS.ClientSessionCache, r.TLS.ServerName = cache, "example.com"
		return r
	}
	cache := tls.NewLRUClientSessionCache(1)
	right := pinned(endpoint.Fingerprint(s.Certificate()), cache)
	resumed := false
	verify := right.TLS.VerifyConnection
	right.TLS.VerifyConnection = func(c tls.ConnectionState) error { resumed = resumed || c.DidResume; return verify(c) }
	require.NoError(t, get(right))
	require.NoError(t, get(right))
	require.True(t, resumed, "the second connection resumes the session of the first")
	require.ErrorIs(t, get(pinned(otherPin, cache)), fault.Identity)
}

func TestAuthority(t *testing.T) {
	ca := newAuthority(t)
	name, dir := ca.save(t)
	until := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name        string
		certificate tls.Certificate
		says        string
	}{
		{"right", ca.issue(t, "127.0.0.1", until), ""},
		{"for another address", ca.issue(t, "127.0.0.2", until), "127.0.0.2"},
		{"for another name", ca.issue(t, "vc2.example", until), "cannot be trusted"},
		{"expired", ca.issue(t, "127.0.0.1", time.Now().Add(-time.Hour)), "expired"},
		{"of another CA", newAuthority(t).issue(t, "127.0.0.1", until), "cannot be trusted"},
	} {
		s, requests := serve(t, &tls.Config{Certificates: []tls.Certificate{c.certificate}})
		err := get(resolve(t, inventory.Endpoint{URL: s.URL, TLS: inventory.TLS{CA: name}}, dir))
		if c.says == "" {
			require.NoError(t, err, c.name)
			require.Equal(t, 1, *requests)
			continue
		}
		require.ErrorIs(t, err, fault.Identity, c.name)
		require.ErrorContains(t, err, c.says, c.name)
		require.ErrorContains(t, err, "nightshift lab trust", c.name)
		require.Zero(t, *requests, c.name)
	}
}

func TestSystemAuthoritiesByDefault(t *testing.T) {
	s, requests := serve(t, nil)
	err := get(resolve(t, inventory.Endpoint{URL: s.URL}, ""))
	require.ErrorIs(t, err, fault.Identity)
	require.ErrorContains(t, err, "its fingerprint is "+endpoint.Fingerprint(s.Certificate()))
	require.ErrorContains(t, err, "nightshift lab trust")
	require.Zero(t, *requests)
}

func TestLegacyTLS(t *testing.T) {
	s := oldBMC(t)
	e := inventory.Endpoint{URL: s.URL, TLS: inventory.TLS{Fingerprint: endpoint.Fingerprint(s.Certificate())}}
	err := get(resolve(t, e, ""))
	require.Error(t, err, "not without legacyTLS")
	require.NotErrorIs(t, err, fault.Identity)

	e.TLS.Legacy = true
	r := resolve(t, e, "")
	require.NoError(t, get(r))
	require.Len(t, r.Warnings, 1)
	require.Contains(t, r.Warnings[0], "legacyTLS")
	e.TLS.Fingerprint = otherPin
	require.ErrorIs(t, get(resolve(t, e, "")), fault.Identity)
}

func TestPlainHTTP(t *testing.T) {
	r := resolve(t, inventory.Endpoint{URL: "http://vc1:8080/", Insecure: true}, "")
	require.Nil(t, r.TLS)
	require.Equal(t, "http://vc1:8080", r.URL.String())
	require.Len(t, r.Warnings, 1)
	require.Contains(t, r.Warnings[0], "plain http")
}

func TestResolvedLogin(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("hunter2\n"), 0o600))
	r := resolve(t, inventory.Endpoint{URL: "https://vc1/", User: "ns", Password: "file:secret"}, dir)
	require.Equal(t, "ns", r.User)
	require.Equal(t, "hunter2", r.Password.Reveal())
}

func TestResolveRefuses(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte("no certificate"), 0o600))
	for says, e := range map[string]inventory.Endpoint{
		"is no URL":                    {URL: "vc1"},
		"holds a login":                {URL: "https://ns:hunter2@vc1"},
		"http:// is not allowed":       {URL: "http://vc1"},
		"ftp:// is not allowed":        {URL: "ftp://vc1", Insecure: true},
		"not a SHA-256 fingerprint":    {URL: "https://vc1", TLS: inventory.TLS{Fingerprint: "AB"}},
		"with a fingerprint only":      {URL: "https://vc1", TLS: inventory.TLS{Legacy: true}},
		"read its CA file":             {URL: "https://vc1", TLS: inventory.TLS{CA: "none.pem"}},
		"there is no certificate":      {URL: "https://vc1", TLS: inventory.TLS{CA: "text"}},
		"NIGHTSHIFT_TEST_UNSET is not": {URL: "https://vc1", User: "ns", Password: "env:NIGHTSHIFT_TEST_UNSET"},
	} {
		_, err := endpoint.Resolve(t.Context(), "vCenter vc1", e, dir)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "vCenter vc1")
		require.ErrorIs(t, err, fault.Invalid)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestUnreachableIsNoIdentityFault(t *testing.T) {
	s, _ := serve(t, nil)
	s.Close()
	err := get(resolve(t, inventory.Endpoint{URL: s.URL, TLS: inventory.TLS{Fingerprint: otherPin}}, ""))
	require.Error(t, err)
	require.NotErrorIs(t, err, fault.Identity)
}
