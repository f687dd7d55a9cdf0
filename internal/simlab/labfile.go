package simlab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// VCenterURL is the address of the vCenter: https://127.0.0.1:PORT/sdk.
func (l *Lab) VCenterURL() string { return l.vc.url }

// VCenterPassword is the password of Spec().User.
func (l *Lab) VCenterPassword() string { return l.vc.password }

// VCenterFingerprint is the SHA-256 of the vCenter's certificate.
func (l *Lab) VCenterFingerprint() string { return fingerprint(l.vc.cert) }

// BMC is how to reach the BMC of a host.
type BMC struct{ URL, User, Password, Fingerprint string }

// BMC returns how to reach the BMC of a host; false: it has none.
func (l *Lab) BMC(hostName string) (BMC, bool) {
	b := l.bmcs[hostName]
	if b == nil {
		return BMC{}, false
	}
	return BMC{"https://" + b.addr, b.user, b.password, fingerprint(b.cert)}, true
}

// HealthURL is the health page of a guest: 200 while its service is up, 503 otherwise.
func (l *Lab) HealthURL(guestName string) string { return l.health + "/" + guestName }

// Secrets are all passwords of the lab. None may appear anywhere but in the secret files.
func (l *Lab) Secrets() []string {
	out := []string{l.vc.password}
	for _, h := range l.hosts {
		if b := l.bmcs[h.spec.Name]; b != nil {
			out = append(out, b.password)
		}
		if b := l.ipmis[h.spec.Name]; b != nil {
			out = append(out, b.password)
		}
	}
	for _, e := range l.esxis.list() {
		out = append(out, e.password)
	}
	return append(out, l.sshSecrets()...)
}

// at is d at the lab's speed, but at least floor: the machine that runs a test is as slow at any speed.
func (l *Lab) at(d, floor time.Duration) time.Duration {
	return max(l.scaled(d), floor).Round(time.Millisecond)
}

// WriteLabFile writes lab.yaml for this lab into dir, and the secrets it names beside it, readable by the owner only.
func (l *Lab) WriteLabFile(dir string) (path string, err error) {
	secrets := map[string]string{"vcenter.password": l.vc.password}
	for name, b := range l.bmcs {
		secrets[name+"-oob.password"] = b.password
	}
	for name, b := range l.ipmis {
		secrets[name+"-oob.password"] = b.password
	}
	for _, e := range l.esxis.list() {
		secrets[e.host.spec.Name+"-esxi.password"] = e.password
	}
	l.addSSHSecrets(secrets)
	if err := os.MkdirAll(filepath.Join(dir, "secrets"), 0o700); err != nil {
		return "", fmt.Errorf("write the lab file of the simulated lab: %w", err)
	}
	for name, secret := range secrets {
		if err := os.WriteFile(filepath.Join(dir, "secrets", name), []byte(secret+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("write the secrets of the simulated lab: %w", err)
		}
	}
	path = filepath.Join(dir, "lab.yaml")
	if err := os.WriteFile(path, []byte(l.labFile(dir)), 0o600); err != nil {
		return "", fmt.Errorf("write the lab file of the simulated lab: %w", err)
	}
	return path, nil
}

type yamlWriter struct{ strings.Builder }

func (w *yamlWriter) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

func (l *Lab) labFile(dir string) string {
	w := &yamlWriter{}
	w.line("# Written by the simulated lab: everything in it is at 127.0.0.1.")
	w.line("lab: %s", l.spec.Name)
	if l.spec.Self != "" {
		w.line("self: {guest: %s}", l.spec.Self)
	} else {
		w.line("self: {outside: true}")
	}
	if len(l.hosts) > 0 { // of storage hosts alone there is nothing to say by a vCenter
		w.line("vcenters:\n  - name: vcenter\n    url: %s\n    user: %s", l.vc.url, l.spec.User)
		w.line("    password: file:%s", filepath.Join(dir, "secrets", "vcenter.password"))
		w.line("    tls: {fingerprint: %q}", l.VCenterFingerprint())
		l.writeHosts(w, dir)
	}
	l.writeGuests(w, dir)
	l.writeApplications(w, dir)
	l.writeMachines(w, dir)
	l.writeStorage(w, dir)
	l.writePolicies(w)
	return w.String()
}

func (l *Lab) writeHosts(w *yamlWriter, dir string) {
	w.line("hosts:")
	for _, h := range l.hosts {
		w.line("  - name: %s", h.spec.Name)
		if h.spec.Keep {
			w.line("    keep: true")
		}
		writeProvides(w, h.spec.Provides)
		if b, ok := l.BMC(h.spec.Name); ok {
			w.line("    bmc:\n      url: %s\n      user: %s", b.URL, b.User)
			w.line("      password: file:%s", filepath.Join(dir, "secrets", h.spec.Name+"-oob.password"))
			legacy := ""
			if h.spec.Quirks.LegacyTLS {
				legacy = ", legacyTLS: true"
			}
			w.line("      tls: {fingerprint: %q%s}\n      serial: %q", b.Fingerprint, legacy, h.spec.Serial)
		}
		if b := l.ipmis[h.spec.Name]; b != nil {
			b.write(w, filepath.Join(dir, "secrets", h.spec.Name+"-oob.password"))
		}
		if s := l.sleeperOf(h); s != nil {
			s.write(w)
		}
		if e := l.esxis.of(h); e != nil {
			w.line("    esxi:\n      url: %s\n      user: %s", e.url, esxiUser)
			w.line("      password: file:%s", filepath.Join(dir, "secrets", h.spec.Name+"-esxi.password"))
			w.line("      tls: {fingerprint: %q}", fingerprint(e.cert))
		}
	}
}

func (l *Lab) writeGuests(w *yamlWriter, dir string) {
	guests := slices.DeleteFunc(slices.Clone(l.spec.Guests), func(g GuestSpec) bool {
		return len(l.spec.provides(g)) == 0 && !l.spec.isMember(g.Name) && len(g.After) == 0 && !g.Login && !g.Keep && !g.HTTP && !g.NoTools && !g.IgnoresShutdown && g.Question == ""
	})
	if len(guests) == 0 {
		return
	}
	w.line("guests:")
	for _, g := range guests {
		w.line("  - name: %s", g.Name)
		writeProvides(w, l.spec.provides(g))
		if g.Keep {
			w.line("    keep: true")
		}
		if g.Login {
			w.line("    login: {user: %s, password: \"file:%s\"}", guestUser, filepath.Join(dir, "secrets", g.Name+".login"))
		}
		if len(g.After) > 0 {
			w.line("    after: [%s]", strings.Join(g.After, ", "))
		}
		switch {
		case g.IgnoresShutdown, g.Question != "":
			w.line("    shutdown: {timeout: %s, onTimeout: powerOff}", l.at(3*time.Minute, 2*time.Second))
		case g.NoTools:
			w.line("    shutdown: {noTools: powerOff}")
		}
		if g.HTTP {
			w.line("    health: {http: [%q], timeout: %s}", l.HealthURL(g.Name), l.at(5*time.Minute, time.Minute))
		}
	}
}

func (l *Lab) writePolicies(w *yamlWriter) {
	w.line("tags: {keep: KeepOn, start: StartUp}")
	w.line("policies:")
	w.line("  guest: {timeout: %s}", l.at(5*time.Minute, time.Minute))
	w.line("  host: {timeout: %s, boot: %s, maintenance: %s}",
		l.at(15*time.Minute, time.Minute), l.at(20*time.Minute, time.Minute), l.at(10*time.Minute, time.Minute))
	w.line("  settleTime: %s", l.at(time.Minute, 2*time.Second))
	w.line("  vcls: %s", l.at(10*time.Minute, time.Minute))
	w.line("  datastores: %s", l.at(10*time.Minute, time.Minute))
}
