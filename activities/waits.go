package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

// Wait waits for a while, or until a time of day. Its time goes on while no worker runs.
func (a *Activities) Wait(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.WaitParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.Wait, c.Target, err)
	}
	since := activity.GetInfo(ctx).ScheduledTime // of its first attempt
	if c.Memo != nil && !c.Memo.At.IsZero() {
		since = c.Memo.At
	}
	end, err := endOf(p, since)
	if err != nil {
		return plan.Outcome{}, classify(plan.Wait, c.Target, err)
	}
	open := func(context.Context) error { return nil }
	return a.act(ctx, waitFor(plan.Wait, c, end.Sub(since)+time.Hour, open, func(context.Context) (seen, error) {
		now := time.Now()
		return seen{done: !now.Before(end), state: "until " + end.Format(time.RFC3339)}, nil
	}))
}

// endOf is when a wait that began at that time is over.
func endOf(p plan.WaitParams, since time.Time) (time.Time, error) {
	if p.Until == "" {
		return since.Add(time.Duration(p.For)), nil
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return time.Time{}, refuse(fault.Invalid, "%w", err)
	}
	at, err := time.Parse("15:04", p.Until)
	if err != nil {
		return time.Time{}, refuse(fault.Invalid, "%q is no time of day", p.Until)
	}
	y, m, d := since.In(zone).Date()
	end := time.Date(y, m, d, at.Hour(), at.Minute(), 0, 0, zone)
	if !end.After(since) {
		end = time.Date(y, m, d+1, at.Hour(), at.Minute(), 0, 0, zone)
	}
	return end, nil
}

// probeBody is how much of an answer is looked at.
const probeBody = 64 << 10

// ProbeHTTP waits until a URL answers as wanted.
func (a *Activities) ProbeHTTP(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.ProbeParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.ProbeHTTP, c.Target, err)
	}
	open := func(context.Context) error { return nil }
	return a.act(ctx, waitFor(plan.ProbeHTTP, c, time.Duration(p.Timeout), open, func(ctx context.Context) (seen, error) {
		text, err := probe(ctx, p)
		if err != nil {
			return seen{state: fmt.Sprintf("not as wanted: %v", err)}, nil
		}
		return seen{done: true, state: text}, nil
	}))
}

// probe makes one request. No proxy is asked: its answer says nothing about the machine.
func probe(ctx context.Context, p plan.ProbeParams) (string, error) {
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
	client := http.Client{Transport: transport, Timeout: 4 * probeTimeout}
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
