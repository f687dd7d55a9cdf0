//go:build storagelab

package storagelab

import (
	"context"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// Crash takes the machine's power away: what it had not written is lost, its connections hang. It stays off until Boot,
// which the test's end does, if nobody did before.
func (m *Machine) Crash() {
	m.lab.t.Helper()
	m.lab.mustBeAlone("a crash")
	m.lab.t.Cleanup(func() {
		if !m.powered() {
			m.Boot()
		}
	})
	m.monitor("stop", nil, nil)
	m.monitor("system_reset", nil, nil)
	m.conn.close()
}

// Boot gives a machine its power back, and waits until it has come up.
func (m *Machine) Boot() {
	m.lab.t.Helper()
	m.monitor("cont", nil, nil)
	m.awaitBoot("")
}

// Reboot has the machine go down in order and come up again.
func (m *Machine) Reboot() {
	m.lab.t.Helper()
	m.lab.mustBeAlone("a reboot")
	before := m.BootID()
	// Its answer may be lost.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.lab.t.Context()), Patience)
	defer cancel()
	_, _ = m.run(ctx, []string{"systemctl", "reboot"})
	m.conn.close()
	m.awaitBoot(before)
}

// BootID is another one after each boot.
func (m *Machine) BootID() string {
	m.lab.t.Helper()
	return m.Run("cat", "/proc/sys/kernel/random/boot_id")
}

// awaitBoot waits until the machine has come up, with another boot id than that.
func (m *Machine) awaitBoot(before string) {
	m.lab.t.Helper()
	m.lab.Await(m.Name+" has come up", func(ctx context.Context) bool {
		r, err := m.run(ctx, []string{"sh", "-c", "systemctl is-system-running --wait >/dev/null; cat /proc/sys/kernel/random/boot_id"})
		up := err == nil && r.Status == 0 && strings.TrimSpace(r.Stdout) != before
		if !up {
			m.conn.close()
		}
		return up
	})
}

// Await waits until something is so, at most for Patience.
func (l *Lab) Await(what string, so func(ctx context.Context) bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), Patience)
	defer cancel()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for !so(ctx) {
		select {
		case <-ctx.Done():
			require.FailNow(l.t, "not within "+Patience.String()+": "+what)
		case <-ticker.C:
		}
	}
}
