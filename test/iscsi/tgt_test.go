//go:build e2e

// Package iscsi has real targets on loopback, without machines: Debian's tgtd in user space, looked at with the tools of
// libiscsi, which log in by themselves. The kernel's target and initiator are tested in test/storagelab.
package iscsi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for anything: these machines are slow and shared.
const patience = 2 * time.Minute

// A tgt is a tgtd of its own: its port, its control socket.
type tgt struct {
	t       *testing.T
	address string // host:port
	dir     string
	control string
	targets int
}

// program finds a command where Debian has it, or skips the test.
func program(t *testing.T, name, debian string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Skipf("%s is missing (Debian: apt install %s)", name, debian)
	return ""
}

// startTGT starts a tgtd that has no targets yet.
func startTGT(t *testing.T) *tgt {
	t.Helper()
	tgtd := program(t, "tgtd", "tgt")
	program(t, "iscsi-inq", "libiscsi-bin")
	if os.Geteuid() != 0 {
		t.Skip("tgtd wants root")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().(*net.TCPAddr)
	require.NoError(t, l.Close())
	// Control numbers go up to 32767, and 0 is that of the system's own tgtd.
	g := &tgt{t: t, address: address.String(), dir: t.TempDir(), control: strconv.Itoa(1 + address.Port%32767)}
	var log bytes.Buffer
	server := exec.Command(tgtd, "-f", "-C", g.control, "--iscsi", "portal="+g.address)
	server.Stdout, server.Stderr = &log, &log
	require.NoError(t, server.Start())
	ended := make(chan struct{})
	go func() {
		_ = server.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = server.Process.Kill()
		<-ended
		for _, file := range []string{"", ".lock"} {
			_ = os.Remove("/var/run/tgtd/socket." + g.control + file)
		}
		if t.Failed() {
			t.Log("tgtd said:\n" + log.String())
		}
	})
	require.Eventually(t, func() bool {
		select {
		case <-ended:
			return true
		default:
			return g.tgtadm("--op", "show", "--mode", "sys").Run() == nil
		}
	}, patience, 50*time.Millisecond, "tgtd does not answer")
	return g
}

func (g *tgt) tgtadm(args ...string) *exec.Cmd {
	return exec.Command(program(g.t, "tgtadm", "tgt"), append([]string{"-C", g.control, "--lld", "iscsi"}, args...)...)
}

func (g *tgt) admin(args ...string) {
	g.t.Helper()
	out, err := g.tgtadm(args...).CombinedOutput()
	require.NoError(g.t, err, "tgtadm %v: %s", args, out)
}

// A target is one of tgtd's, with one disk.
type target struct {
	g    *tgt
	tid  string
	name string // IQN
	lun  int
}

// publish presents a disk of 16 MiB. params are tgtadm's, such as scsi_sn=…,vendor_id=…. Nobody may log in yet.
func (g *tgt) publish(name string, lun int, params string) *target {
	g.t.Helper()
	g.targets++
	d := &target{g: g, tid: strconv.Itoa(g.targets), name: name, lun: lun}
	disk := filepath.Join(g.dir, d.tid)
	require.NoError(g.t, os.WriteFile(disk, nil, 0o600))
	require.NoError(g.t, os.Truncate(disk, 16<<20))
	g.admin("--op", "new", "--mode", "target", "--tid", d.tid, "-T", name)
	g.admin("--op", "new", "--mode", "logicalunit", "--tid", d.tid, "--lun", strconv.Itoa(lun), "-b", disk)
	g.admin("--op", "update", "--mode", "logicalunit", "--tid", d.tid, "--lun", strconv.Itoa(lun), "--params", params)
	return d
}

// allow lets one initiator in, by its IQN, or all with ALL.
func (d *target) allow(initiator string) {
	d.g.t.Helper()
	if initiator == "ALL" {
		d.g.admin("--op", "bind", "--mode", "target", "--tid", d.tid, "-I", "ALL")
		return
	}
	d.g.admin("--op", "bind", "--mode", "target", "--tid", d.tid, "-Q", initiator)
}

// chap demands a name and a password.
func (d *target) chap(user, password string) {
	d.g.t.Helper()
	d.g.admin("--op", "new", "--mode", "account", "--user", user, "--password", password)
	d.g.admin("--op", "bind", "--mode", "account", "--tid", d.tid, "--user", user)
}

// An initiator is who asks: its IQN and, with CHAP, as whom.
type initiator struct{ name, user, password string }

// inq runs iscsi-inq on a LUN: no page is the standard INQUIRY, others are pages of vital product data, such as 0x83.
func (d *target) inq(from initiator, lun, page int) (string, error) {
	d.g.t.Helper()
	login := ""
	if from.user != "" {
		login = from.user + "%" + from.password + "@"
	}
	args := []string{"-i", from.name}
	if page >= 0 {
		args = append(args, "-e", "1", "-c", strconv.Itoa(page))
	}
	args = append(args, fmt.Sprintf("iscsi://%s%s/%s/%d", login, d.g.address, d.name, lun))
	ctx, cancel := context.WithTimeout(d.g.t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program(d.g.t, "iscsi-inq", "libiscsi-bin"), args...).CombinedOutput()
	if ctx.Err() != nil {
		return string(out), errors.New("iscsi-inq did not end")
	}
	return string(out), err
}
