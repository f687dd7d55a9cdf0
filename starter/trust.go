package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/bmc"
	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/nut"
	"nightshift/internal/sshexec"
)

// sideBySide is how many machines are asked at a time.
const sideBySide = 16

// fetchKeys asks every machine of the lab for its certificate or host key, side by side. Nothing is sent.
func fetchKeys(ctx context.Context, lab *inventory.Lab) []trustFact {
	var asks []func() trustFact
	for i, v := range lab.VCenters {
		asks = append(asks, func() trustFact {
			return certificateFact(ctx, "vCenter "+v.Name, v.Endpoint, fmt.Sprintf("vcenters[%d].tls.fingerprint", i))
		})
	}
	for i, h := range lab.Hosts {
		if h.BMC != nil {
			asks = append(asks, func() trustFact {
				return certificateFact(ctx, "BMC of "+h.Name, h.BMC.Endpoint, fmt.Sprintf("hosts[%d].bmc.tls.fingerprint", i))
			})
		}
		if h.ESXi != nil {
			asks = append(asks, func() trustFact {
				return certificateFact(ctx, "API of host "+h.Name, *h.ESXi, fmt.Sprintf("hosts[%d].esxi.tls.fingerprint", i))
			})
		}
	}
	for _, p := range sshPlaces(lab) {
		if j := p.ssh.Jump; j != nil { // the machine itself is asked through it, when it is known
			asks = append(asks, func() trustFact {
				return hostKeyFact(ctx, lab, sshPlace{p.machine + ", its jump host", j.SSH(), p.field + ".jump"})
			})
			continue
		}
		asks = append(asks, func() trustFact { return hostKeyFact(ctx, lab, p) })
	}
	for i, u := range lab.UPS {
		if u.TLS != nil {
			asks = append(asks, func() trustFact { return upsFact(ctx, u, fmt.Sprintf("ups[%d].tls.fingerprint", i)) })
		}
	}
	return allAtOnce(asks)
}

// An sshPlace is a machine that is reached over SSH, and where the lab file has it.
type sshPlace struct {
	machine string
	ssh     inventory.SSH
	field   string
}

func sshPlaces(lab *inventory.Lab) (all []sshPlace) {
	for i, h := range lab.Hosts {
		if h.SSH != nil {
			all = append(all, sshPlace{"host " + h.Name, *h.SSH, fmt.Sprintf("hosts[%d].ssh", i)})
		}
	}
	for i, s := range lab.StorageHosts {
		all = append(all, sshPlace{"storage host " + s.Name, s.SSH, fmt.Sprintf("storageHosts[%d].ssh", i)})
	}
	for i, m := range lab.Machines {
		all = append(all, sshPlace{"machine " + m.Name, m.SSH, fmt.Sprintf("machines[%d].ssh", i)})
	}
	for i, x := range lab.ApplicationClusters {
		for k, s := range x.At {
			all = append(all, sshPlace{"application cluster " + x.Name, s, fmt.Sprintf("applicationClusters[%d].at[%d]", i, k)})
		}
	}
	for i, m := range lab.Monitoring {
		if m.Silence.At != nil {
			all = append(all, sshPlace{"monitoring " + m.Name, *m.Silence.At, fmt.Sprintf("monitoring[%d].silence.at", i)})
		}
		if m.Resume.At != nil {
			all = append(all, sshPlace{"monitoring " + m.Name, *m.Resume.At, fmt.Sprintf("monitoring[%d].resume.at", i)})
		}
	}
	return all
}

// upsFact asks the NUT server of a UPS for its certificate. Without tls: in the lab file there is none to be known by.
func upsFact(ctx context.Context, u inventory.UPS, field string) trustFact {
	f := trustFact{Machine: "NUT server of UPS " + u.Name, Address: u.Address(), What: "certificate", Recorded: u.TLS.Fingerprint, field: field}
	r := endpoint.Resolved{Name: "the NUT server", URL: &url.URL{Scheme: "nut", Host: u.Address()}}
	cert, err := nut.Certificate(ctx, r)
	if err != nil {
		return f.failed(err)
	}
	return f.shows(cert, *u.TLS, r.URL.Hostname())
}

// allAtOnce runs the questions side by side and answers in their order.
func allAtOnce[T any](asks []func() T) []T {
	out := make([]T, len(asks))
	var g errgroup.Group
	g.SetLimit(sideBySide)
	for i, ask := range asks {
		g.Go(func() error {
			out[i] = ask()
			return nil
		})
	}
	_ = g.Wait() // the answers carry their errors
	return out
}

func certificateFact(ctx context.Context, machine string, e inventory.Endpoint, field string) trustFact {
	f := trustFact{Machine: machine, Address: e.URL, What: "certificate", Recorded: e.TLS.Fingerprint, field: field}
	u, err := url.Parse(e.URL)
	if err == nil && u.Scheme == "ipmi" {
		f.State, f.Note = trustNone, "IPMI has no certificate: each login proves to both sides that the other knows the password"
		return f
	}
	if err == nil && u.Scheme == "http" {
		f.State, f.Note = trustNone, "plain http: there is no certificate, and no way to know who answers (insecure: true)"
		return f
	}
	if err != nil {
		return f.failed(err)
	}
	cert, err := endpoint.Certificate(ctx, u)
	if err != nil {
		return f.failed(err)
	}
	return f.shows(cert, e.TLS, u.Hostname())
}

// shows compares a certificate with what is recorded.
func (f trustFact) shows(cert *x509.Certificate, t inventory.TLS, host string) trustFact {
	f.Shows = endpoint.Fingerprint(cert)
	f.Note = fmt.Sprintf("%s, until %s", cert.Subject, cert.NotAfter.Format("2006-01-02"))
	if f.Recorded == "" && (t.CA != "" || trustedBySystem(cert, host)) {
		f.State = trustCA
		return f
	}
	return f.compared()
}

func trustedBySystem(cert *x509.Certificate, host string) bool {
	_, err := cert.Verify(x509.VerifyOptions{DNSName: host})
	return err == nil
}

func hostKeyFact(ctx context.Context, lab *inventory.Lab, p sshPlace) trustFact {
	f := trustFact{Machine: p.machine, Address: p.ssh.Address, What: "host key", Recorded: p.ssh.HostKey, field: p.field + ".hostKey"}
	if p.ssh.KnownHosts != "" {
		f.State, f.Note = trustNone, "known by the file "+p.ssh.KnownHosts+", which `nightshift lab check` asks"
		return f
	}
	key, err := sshexec.HostKey(ctx, p.ssh, lab.Dir)
	if err != nil {
		return f.failed(err)
	}
	f.Shows = sshexec.HostKeyLine(key)
	f.Known = key.Type() + " " + ssh.FingerprintSHA256(key)
	return f.compared()
}

// answered are the fields of the facts that can be trusted by now.
func answered(keys []trustFact) map[string]bool {
	out := map[string]bool{}
	for _, k := range keys {
		out[k.field] = k.State == trustSame || k.State == trustCA || k.State == trustNone || k.Written
	}
	return out
}

// fetchBehind asks the machines behind jump hosts that are trusted by now; one login each at the jump host.
func fetchBehind(ctx context.Context, lab *inventory.Lab, keys []trustFact) []trustFact {
	known := answered(keys)
	var asks []func() trustFact
	for _, p := range sshPlaces(lab) {
		if p.ssh.Jump != nil && known[p.field+".jump.hostKey"] {
			asks = append(asks, func() trustFact { return hostKeyFact(ctx, lab, p) })
		}
	}
	return allAtOnce(asks)
}

// fetchSerials reads the serial numbers through the BMCs whose certificates are trusted by now; one login each.
func fetchSerials(ctx context.Context, lab *inventory.Lab, keys []trustFact) []trustFact {
	known := answered(keys)
	var asks []func() trustFact
	for i, h := range lab.Hosts {
		if h.BMC == nil || !known[fmt.Sprintf("hosts[%d].bmc.tls.fingerprint", i)] {
			continue
		}
		asks = append(asks, func() trustFact {
			f := trustFact{Machine: "BMC of " + h.Name, Address: h.BMC.URL, What: "serial number", Recorded: h.BMC.Serial, field: fmt.Sprintf("hosts[%d].bmc.serial", i)}
			got, err := readIdentity(ctx, lab, h)
			if err != nil {
				return f.failed(err)
			}
			f.Shows, f.Note = got.Serial, got.Model
			if f.Recorded == "" && !live.Genuine(got.Serial) {
				f.What, f.Recorded, f.Shows, f.field = "UUID", h.BMC.UUID, got.UUID, fmt.Sprintf("hosts[%d].bmc.uuid", i)
				if f.Recorded == "" && !live.GenuineUUID(got.UUID) {
					f.State, f.Note = trustNone, "it tells neither a serial number nor a UUID"
					return f
				}
			}
			return f.compared()
		})
	}
	return allAtOnce(asks)
}

func readIdentity(ctx context.Context, lab *inventory.Lab, h inventory.Host) (live.BMC, error) {
	r, err := endpoint.Resolve(ctx, "BMC of "+h.Name, h.BMC.Endpoint, lab.Dir)
	if err != nil {
		return live.BMC{}, err
	}
	c, err := bmc.Connect(ctx, r, h.BMC)
	if err != nil {
		return live.BMC{}, err
	}
	defer func() { _ = c.Close(ctx) }() // it was only read
	return c.System(ctx)
}

func (f trustFact) compared() trustFact {
	switch {
	case f.Recorded == "":
		f.State = trustNew
	case f.Recorded == f.Shows || sameHostKey(f.Recorded, f.Shows):
		f.State = trustSame
	default:
		f.State = trustChanged
	}
	return f
}

func (f trustFact) failed(err error) trustFact {
	f.State, f.Note = trustFailed, err.Error()
	return f
}

// sameHostKey compares type and key; a comment does not matter.
func sameHostKey(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	return len(x) >= 2 && len(y) >= 2 && x[0] == y[0] && x[1] == y[1]
}
