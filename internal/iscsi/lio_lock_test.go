package iscsi_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/iscsi"
)

const lockFile = "/run/nightshift-lio.lock"

// hold takes the program's lock; awaited waits until somebody waits for it.
func (r rig) hold() (awaited, release func()) {
	r.Helper()
	f, err := os.OpenFile(r.host.Path(lockFile), os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, f.Close()) })
	require.NoError(r, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	var stat syscall.Stat_t
	require.NoError(r, syscall.Fstat(int(f.Fd()), &stat))
	awaited = func() {
		require.Eventually(r, func() bool {
			locks, err := os.ReadFile("/proc/locks")
			for line := range strings.Lines(string(locks)) {
				if strings.Contains(line, "->") && strings.Contains(line, fmt.Sprintf(":%d ", stat.Ino)) {
					return true
				}
			}
			return err != nil
		}, time.Minute, 10*time.Millisecond, "nobody waits")
	}
	return awaited, func() { require.NoError(r, syscall.Flock(int(f.Fd()), syscall.LOCK_UN)) }
}

// While one is at work another neither looks nor changes; what it looks at then is what the first has left.
func TestOneAtATime(t *testing.T) {
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	second := publication(r.volume("tank/vol2")) // under the same NAA
	second.Name, second.Identity.LUN = "vol2", 4
	for name, c := range map[string]struct {
		act  func() error
		then func(error)
	}{
		"publish": {func() error { _, err := r.target.Publish(t.Context(), second); return err },
			func(err error) { require.ErrorContains(t, err, "the NAA is shown by") }},
		"unpublish": {func() error { _, err := r.target.Unpublish(t.Context(), p.Name, false); return err }, func(err error) { require.NoError(t, err) }},
		"boot": {func() error {
			res, err := r.host.Boot(t.Context())
			require.Zero(t, res.Status, "%s", res.Summary())
			return err
		}, func(err error) { require.NoError(t, err) }},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.RemoveAll(r.host.Path("/sys/kernel/config")))
			r.ensure(p)
			awaited, release := r.hold()
			done := make(chan error, 1)
			go func() { done <- c.act() }()
			awaited()
			if name != "boot" {
				require.Len(t, r.list().LUs, 1)
				require.True(t, r.list().LUs[0].Saved)
			} else {
				require.Empty(t, r.list().LUs)
			}
			release()
			c.then(<-done)
		})
	}
}

// What was unpublished while the start waited for its turn does not come back.
func TestUnpublishedDuringTheStart(t *testing.T) {
	r := newRig(t)
	r.ensure(publication(r.volume("tank/vol1")))
	awaited, release := r.hold()
	done := make(chan int, 1)
	go func() {
		res, err := r.host.Boot(t.Context())
		if err != nil {
			res.Status = -1
		}
		done <- res.Status
	}()
	awaited()
	require.NoError(t, os.Remove(r.host.Path("/etc/nightshift-lio/vol1.lu")))
	release()
	require.Zero(t, <-done)
	require.Empty(t, r.list().LUs)
}

// One publication takes nothing away from another, whose name begins as its own.
func TestPublishedAtTheSameTime(t *testing.T) {
	r := newRig(t)
	var all []iscsi.Publication
	for i, name := range []string{"mail", "mail.log", "mail.log.9"} {
		p := publication(r.volume("tank/" + name))
		p.Name, p.Identity.LUN, p.Identity.NAA = name, uint16(i), fmt.Sprintf("%s%x", sunGUID[:31], i)
		r.ensure(p)
		all = append(all, p)
	}
	before := r.list()
	var wg sync.WaitGroup
	for range 4 {
		for _, p := range all {
			wg.Go(func() {
				done, err := r.target.Publish(t.Context(), p)
				if err != nil || len(done) > 0 {
					t.Errorf("%s: %v %v", p.Name, done, err)
				}
			})
		}
	}
	wg.Wait()
	require.Equal(t, before, r.list())
	entries, err := os.ReadDir(r.host.Path("/etc/nightshift-lio"))
	require.NoError(t, err)
	require.Len(t, entries, len(all), "no other file stays")
}
