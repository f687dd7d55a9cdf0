package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

// ProbeHTTP waits until a URL answers as wanted.
func (a *Activities) ProbeHTTP(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.ProbeParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.ProbeHTTP, c.Target, err)
	}
	open := func(context.Context) error { return nil }
	return a.act(ctx, waitFor(plan.ProbeHTTP, c, time.Duration(p.Timeout), open, func(ctx context.Context) (seen, error) {
		text, err := probeHTTP(ctx, p, 4*probeTimeout)
		if err != nil {
			return seen{state: fmt.Sprintf("not as wanted: %v", err)}, nil
		}
		return seen{done: true, state: text}, nil
	}))
}

// probeBody is how much of an answer is looked at.
const probeBody = 64 << 10

// probeHTTP makes one request, and tells how it was answered; an error where that is not as wanted, or not within the limit.
// No proxy is asked: its answer says nothing about the machine.
func probeHTTP(ctx context.Context, p plan.ProbeParams, limit time.Duration) (string, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if p.Fingerprint != "" {
		pin, err := inventory.ParseFingerprint(p.Fingerprint)
		if err != nil {
			return "", err
		}
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, //nolint:gosec // the fingerprint is compared
			VerifyConnection: func(s tls.ConnectionState) error {
				if len(s.PeerCertificates) == 0 || sha256.Sum256(s.PeerCertificates[0].Raw) != pin {
					return errors.New("it shows another certificate than the one with the fingerprint")
				}
				return nil
			}}
	}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: limit}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	good := len(p.Status) == 0 && res.StatusCode < http.StatusBadRequest || slices.Contains(p.Status, res.StatusCode)
	if !good {
		return "", fmt.Errorf("status %s", res.Status)
	}
	if p.Contains != "" {
		body, err := io.ReadAll(io.LimitReader(res.Body, probeBody))
		if err != nil {
			return "", err
		}
		if !bytes.Contains(body, []byte(p.Contains)) {
			return "", fmt.Errorf("status %s, without %q in the answer", res.Status, p.Contains)
		}
	}
	return "status " + res.Status, nil
}

func probeTCP(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: probeTimeout}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
