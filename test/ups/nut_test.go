//go:build e2e

package ups

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A nutServer is Debian's upsd with the driver dummy-ups, as the current user, on a port of its own.
type nutServer struct {
	t       *testing.T
	dir     string
	address string
	driver  *exec.Cmd
}

const nutPassword = "geheim"

// nutBinary finds upsd, or a driver, where Debian has them.
func nutBinary(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/lib/nut", "/usr/lib/nut", "/usr/sbin"} {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
	}
	require.FailNow(t, name+" is missing (Debian: apt install nut-server)")
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// startNUT starts a server that knows one UPS, rack, on mains.
func startNUT(t *testing.T) *nutServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "nut") //nolint:usetesting // short: the driver's socket lies in it
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	n := &nutServer{t: t, dir: dir}
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n.address = l.Addr().String()
	_, port, err := net.SplitHostPort(n.address)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for name, text := range map[string]string{
		"ups.conf":   "[rack]\n driver = dummy-ups\n port = " + filepath.Join(dir, "rack.dev") + "\n mode = dummy-once\n",
		"rack.dev":   "ups.status: OL\nbattery.charge: 100\nbattery.runtime: 3600\n",
		"upsd.conf":  "LISTEN 127.0.0.1 " + port + "\nMAXAGE 15\n",
		"upsd.users": "[ns]\n password = " + nutPassword + "\n actions = SET\n instcmds = ALL\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	n.plug()
	n.start("upsd", "-F")
	n.eventually("upsd tells about the UPS", func() bool { return n.command("upsc", "rack@"+n.address).Run() == nil })
	return n
}

func (n *nutServer) command(path string, args ...string) *exec.Cmd {
	c := exec.CommandContext(context.WithoutCancel(n.t.Context()), path, args...)
	c.Env = append(os.Environ(), "NUT_CONFPATH="+n.dir, "NUT_STATEPATH="+n.dir, "NUT_ALTPIDPATH="+n.dir)
	return c
}

func (n *nutServer) start(name string, args ...string) *exec.Cmd {
	n.t.Helper()
	me, err := user.Current()
	require.NoError(n.t, err)
	c := n.command(nutBinary(n.t, name), append(args, "-u", me.Username)...)
	require.NoError(n.t, c.Start())
	n.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return c
}

// plug starts the driver, unplug kills it: the UPS itself goes on.
func (n *nutServer) plug() { n.driver = n.start("dummy-ups", "-a", "rack", "-F") }

func (n *nutServer) unplug() {
	_ = n.driver.Process.Kill()
	_ = n.driver.Wait()
}

// set has the UPS be so.
func (n *nutServer) set(status string, charge int) {
	n.t.Helper()
	for _, pair := range []string{fmt.Sprintf("battery.charge=%d", charge), "ups.status=" + status} {
		n.eventually("the driver takes "+pair, func() bool {
			return n.command("upsrw", "-s", pair, "-u", "ns", "-p", nutPassword, "rack@"+n.address).Run() == nil
		})
	}
}

// patience is how long a test waits for anything: these machines are slow and shared.
const patience = 5 * time.Minute

func (n *nutServer) eventually(what string, ok func() bool) {
	n.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { //nolint:forbidigo // another process
		if ok() {
			return
		}
	}
	require.FailNow(n.t, "not within "+patience.String()+": "+what)
}
