//go:build storagelab

package storagelab_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/sshexec"
	"nightshift/internal/statedir"
	"nightshift/test/storagelab"
)

// The service as packages install it, under a real systemd with all that the unit denies it: it starts, is found by the command,
// replicates, is started again where it was killed, and ends when it is told to.
func TestTheService(t *testing.T) {
	long(t)
	lab := storagelab.ConnectAlone(t) // its accounts
	from, to := newHost(t, lab, lab.SS1), newHost(t, lab, lab.SS2)
	volume, under := from.Volume("mail", 16), to.pool.Dataset("backup")+"/ss1"
	from.Write(volume, 0, 4)
	of := prepareAccounts(t, lab, under, volume)
	s := &station{t: t, lab: lab, from: from, to: to, under: under, of: of, volumes: []string{volume}}
	t.Cleanup(s.forget)

	m := lab.SS1
	root := connectAs(t, lab, m, "root", lab.AdminKey)
	put := func(path, mode string, content io.Reader) {
		res, err := root.Act(t.Context(), []string{"install", "-D", "-m", mode, "/dev/stdin", path}, content)
		require.NoError(t, err)
		require.Zero(t, res.Status, res.Summary())
	}
	repository := func(file string) []byte {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		require.NoError(t, err)
		return text
	}
	script := func(file, argument string) { m.Script(string(repository(file)), argument) }

	released := filepath.Join(t.TempDir(), "nightshift")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", released, "../../starter")
	said, err := build.CombinedOutput()
	require.NoError(t, err, string(said))
	binary, err := os.Open(released)
	require.NoError(t, err)
	defer binary.Close()
	t.Cleanup(func() {
		script("deploy/packages/before-remove.sh", "remove")
		m.Script(`rm -rf /usr/bin/nightshift /usr/lib/systemd/system/nightshift.service /usr/lib/sysusers.d/nightshift.conf /etc/nightshift /var/lib/nightshift
			systemctl daemon-reload; systemctl reset-failed; userdel nightshift || :`)
	})
	put("/usr/bin/nightshift", "755", binary)
	put("/usr/lib/systemd/system/nightshift.service", "644", bytes.NewReader(repository("deploy/systemd/nightshift.service")))
	put("/usr/lib/sysusers.d/nightshift.conf", "644", bytes.NewReader(repository("deploy/systemd/nightshift.sysusers")))
	m.Run("mkdir", "-p", "/etc/nightshift")
	script("deploy/packages/after-install.sh", "configure")
	key, err := os.ReadFile(filepath.Join(of.dir, "id"))
	require.NoError(t, err)
	put("/etc/nightshift/zfsadm", "640", bytes.NewReader(key))
	put("/etc/nightshift/lab.yaml", "640", strings.NewReader(fmt.Sprintf(`lab: service
self: {outside: true}
storageHosts:
  - {name: ss1, ssh: {address: 127.0.0.1, user: %s, key: zfsadm, hostKey: %q}}
  - {name: ss2, ssh: {address: %q, user: %s, key: zfsadm, hostKey: %q}}
protectionGroups:
  - name: mail
    source: {host: ss1, datasets: [%s]}
    target: {host: ss2, under: %s}
    every: 1h
    keep: {source: {daily: 1}, target: {daily: 1}}
    send: {via: worker}
`, of.name, sshexec.HostKeyLine(of.ss1.admin.HostKey()), lab.SS2.Private, of.name, sshexec.HostKeyLine(of.ss2.admin.HostKey()), volume, under)))
	m.Run("chgrp", "nightshift", "/etc/nightshift/lab.yaml", "/etc/nightshift/zfsadm")

	ask := func(args ...string) storagelab.Result { // as people do; sudo sets HOME so
		return m.Try(append([]string{"runuser", "-u", "nightshift", "--", "env", "-C", "/", "HOME=" + statedir.Service, "nightshift"}, args...)...)
	}
	answers := func(what string) {
		lab.Await(what, func(context.Context) bool {
			require.NotContains(t, m.Run("systemctl", "show", "-P", "Result", "nightshift"), "signal", "denied: "+m.Run("journalctl", "-q", "-u", "nightshift", "-n", "50"))
			return ask("status").Status == 0
		})
	}
	r := ask("lab", "check")
	require.Zero(t, r.Status, r.Stdout+r.Stderr)
	m.Run("systemctl", "enable", "--now", "nightshift")
	answers("the service answers")
	require.Equal(t, "nightshift 700", m.Run("stat", "-c", "%U %a", statedir.Service))
	require.Equal(t, "root:nightshift 750", m.Run("stat", "-c", "%U:%G %a", "/etc/nightshift"), "the service may read what it is given, and no more")

	r = ask("run", "replicate", "-p", "group=mail", "--yes")
	t.Log(r.Stdout)
	require.Zero(t, r.Status, r.Stdout+r.Stderr)
	s.same()

	pid := m.Run("systemctl", "show", "-P", "MainPID", "nightshift")
	m.Run("systemctl", "kill", "-s", "KILL", "nightshift")
	lab.Await("it is another process", func(context.Context) bool {
		now := m.Run("systemctl", "show", "-P", "MainPID", "nightshift")
		return now != pid && now != "0"
	})
	lab.Await("it answers again, and knows the run", func(context.Context) bool {
		r := ask("report", "latest")
		return r.Status == 0 && strings.Contains(r.Stdout, "Replicate group mail")
	})
	m.Run("systemctl", "stop", "nightshift")
	require.Equal(t, "success", m.Run("systemctl", "show", "-P", "Result", "nightshift"))
	t.Log(m.Run("journalctl", "-q", "-u", "nightshift", "-o", "cat", "-n", "20"))
}
