package storagesetup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/sshexec"
)

// receive runs nightshift-receive as sshd does, with a zfs that prints its arguments; out is what that prints.
func receive(t *testing.T, command string) (out string, status int) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "zfs"), []byte("#!/bin/sh\nprintf 'zfs'; printf ' <%s>' \"$@\"\n"), 0o700))
	program := strings.Replace(receiveProgram, "PATH=/usr/local/sbin:", "PATH="+dir+":/usr/local/sbin:", 1)
	require.NotEqual(t, receiveProgram, program)
	cmd := exec.Command("/bin/sh", "-c", program)
	cmd.Dir = dir
	cmd.Env = []string{"SSH_ORIGINAL_COMMAND=" + command}
	b, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "it has run something else")
	return string(b), cmd.ProcessState.ExitCode()
}

func TestOtherHostsMayReceiveAndNothingElse(t *testing.T) {
	line, err := sshexec.Quote([]string{"env", "LC_ALL=C", "PATH=/usr/sbin:/bin", "zfs", "receive", "-s", "-u", "-o", "nightshift:group=mail", "-o", "readonly=on", "-x", "mountpoint", "tank/mail"})
	require.NoError(t, err)
	out, status := receive(t, line)
	require.Zero(t, status)
	require.Equal(t, "zfs <receive> <-s> <-u> <-o> <nightshift:group=mail> <-o> <readonly=on> <-x> <mountpoint> <tank/mail>", out)
	out, status = receive(t, "zfs receive -s -u tank/mail")
	require.Zero(t, status)
	require.Equal(t, "zfs <receive> <-s> <-u> <tank/mail>", out)
	for _, dataset := range []string{"offsite/mail", "xen/mail", "o", "x"} {
		out, status = receive(t, "zfs receive -s -u -o readonly=on "+dataset)
		require.Zero(t, status, dataset)
		require.Equal(t, "zfs <receive> <-s> <-u> <-o> <readonly=on> <"+dataset+">", out)
	}
	out, status = receive(t, "nightshift-hello")
	require.Zero(t, status)
	require.Equal(t, hello+"\n", out)

	for _, command := range []string{"", "sh", "zfs", "zfs destroy -r tank", "zfs receive -F tank/mail", "zfs receive -s -u -F tank/mail", "zfs receive -s -u '-F' tank/mail", "zfs receive -A tank/mail",
		"zfs receive -s -u tank/mail; touch x", "zfs receive -s -u tank/mail && touch x", "zfs receive -s -u tank/mail | touch x", "zfs receive -s -u `touch x`", "zfs receive -s -u $(touch x)",
		"zfs receive -s -u tank/mail\ntouch x", "zfs receive -s -u tank/mail > x", "zfs receive -s -u a b", "zfs receive -s -u", "zfs receive -s -u -o", "zfs receive -s -u -o readonly a", "zfs receive -s -u -o =on a", "zfs receive -s -u -x '' a", "zfs receive -s -u o=a b", "zfs receive -s -u 'a",
		"env LD_PRELOAD=x zfs receive -s -u a", "env PATH=. sh", "nightshift-hello x", "zfs receive -s -u -e tank", "zfs receive -s -u tank/*", `zfs receive -s -u "a b"`, "zfs receive -s -u ~root",
		"zfs receive -s -u tank\\\nx", "'zfs' 'destroy' tank"} {
		out, status := receive(t, command)
		require.Equal(t, 126, status, command)
		require.Empty(t, out, command)
	}
}

// FuzzReceive: nothing but a receive into one dataset comes out, whatever is asked for.
func FuzzReceive(f *testing.F) {
	for _, s := range []string{"zfs receive -s -u a", "zfs receive -s -u -o a=b -x c d", "'", "a'b'c", "env PATH=x zfs receive -s -u a", "nightshift-hello", "set -- a; x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, command string) {
		if strings.ContainsRune(command, 0) || len(command) > 4000 {
			return
		}
		out, status := receive(t, command)
		if status == 0 && out != hello+"\n" {
			require.Regexp(t, `^zfs <receive> <-s> <-u>( <-o> <[^<>]+=[^<>]*>| <-x> <[^<>]+>)*( <[^<>-][^<>]*>)( <-o> <[^<>]+=[^<>]*>| <-x> <[^<>]+>)*$`, out)
		}
	})
}

func TestZvolsAreReadAndNothingElse(t *testing.T) {
	for _, args := range [][]string{nil, {"tank/mail"}, {"../sda", "0", "1"}, {"tank/../../sda", "0", "1"}, {"tank//mail", "0", "1"}, {"tank/mail x", "0", "1"}, {"tank/mail", "-1", "1"},
		{"tank/mail", "0", "1 of=/etc/shadow"}, {"tank/mail", "", "1"}, {"tank/mail", "0", "12345678901234567"}, {"tank/none", "0", "1"}, {"of=x", "0", "1"}} {
		cmd := exec.Command("/bin/sh", append([]string{"-c", readProgram, "sh"}, args...)...)
		out, err := cmd.Output()
		require.Error(t, err, args)
		require.Empty(t, out)
		require.Equal(t, 2, cmd.ProcessState.ExitCode(), args)
	}
}

// FuzzAllow: what `zfs allow` prints is read or refused, and grants nothing to anybody else.
func FuzzAllow(f *testing.F) {
	b, err := os.ReadFile("testdata/allow.txt")
	require.NoError(f, err)
	f.Add(string(b))
	f.Add("---- Permissions on a ----\nLocal permissions:\n\tuser x y\n")
	f.Add("\tuser x y\n")
	f.Fuzz(func(t *testing.T, text string) {
		grants, err := parseAllow(text)
		if err != nil {
			return
		}
		for _, p := range allowedTo(grants, "zfsadm", "tank/mail", false) {
			require.Contains(t, text, p)
		}
		require.Empty(t, allowedTo(grants, "nobody at all\n", "tank", true))
	})
}

func TestWhatIsAllowed(t *testing.T) {
	b, err := os.ReadFile("testdata/allow.txt")
	require.NoError(t, err)
	grants, err := parseAllow(string(b))
	require.NoError(t, err)
	require.Equal(t, []string{"bookmark", "hold", "send"}, allowedTo(grants, "zfsadm", "tank/mail", false))
	require.Equal(t, []string{"hold", "send"}, allowedTo(grants, "zfsadm", "tank/mail", true), "what is local is not for what lies in it")
	require.Equal(t, []string{"snapshot"}, allowedTo(grants, "other", "tank/mail", false))
	require.Empty(t, allowedTo(grants, "staff", "tank/mail", false), "a group is no account")
	_, err = parseAllow("something else\n")
	require.ErrorContains(t, err, "not known")
}
