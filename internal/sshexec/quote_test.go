package sshexec

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

// printArgs, set in the environment, makes the test binary print its arguments, each with a NUL after it.
const printArgs = "SSHEXEC_PRINT_ARGS"

func TestMain(m *testing.M) {
	if os.Getenv(printArgs) != "" {
		for _, a := range os.Args[1:] {
			fmt.Print(a + "\x00")
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// handed is what the program gets that a real shell runs for the command line of argv, as an SSH server would run it.
func handed(t testing.TB, argv []string, env ...string) []string {
	t.Helper()
	line, err := Quote(argv)
	require.NoError(t, err)
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Env = append(env, printArgs+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%q: %s", line, stderr.String())
	parts := strings.Split(string(out), "\x00")
	return parts[:len(parts)-1]
}

func binary(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

func TestEveryByteArrives(t *testing.T) {
	var args []string
	all := ""
	for b := 1; b < 256; b++ {
		args = append(args, string([]byte{byte(b)}), "a"+string([]byte{byte(b)})+"b")
		all += string([]byte{byte(b)})
	}
	args = append(args, all, "", "'", "''", `'\''`, `\`, `\\`, "$(touch /tmp/x)", "`id`", "-n", "--", "~", "~root", "*", "a=b", "{a,b}", "!!", "#", "\n", "if", "é")
	require.Equal(t, args, handed(t, append([]string{binary(t)}, args...)))
}

func TestRandomArgumentsArrive(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 200 {
		args := make([]string, 1+r.Intn(5))
		for i := range args {
			b := make([]byte, r.Intn(40))
			for k := range b {
				if b[k] = byte(1 + r.Intn(255)); r.Intn(2) == 0 {
					b[k] = " '\"\\$`\n;&|<>()*?[]{}~#!-="[r.Intn(24)]
				}
			}
			args[i] = string(b)
		}
		require.Equal(t, args, handed(t, append([]string{binary(t)}, args...)))
	}
}

// FuzzQuote: a real shell hands on the arguments as they are, or they are refused.
func FuzzQuote(f *testing.F) {
	f.Add("a", "b c", "")
	f.Add("it's", "$HOME", "`id`")
	f.Add("", "-n", "\\")
	f.Add("a=b", "\n'\n", "#")
	f.Add("\xff\x80", "'\\''", "~")
	f.Add("a\x00b", "", "")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		args := []string{a, b, c}
		if _, err := Quote(args); strings.Contains(a+b+c, "\x00") || a == "" {
			require.ErrorIs(t, err, fault.Invalid)
			return
		}
		require.Equal(t, args, handed(t, append([]string{binary(t)}, args...)))
	})
}

// The first word means more to a shell than the others: reserved words, assignments, options of the shell itself.
func TestTheFirstWordIsAProgram(t *testing.T) {
	dir := t.TempDir()
	for _, name := range append([]string{"-x", "+x", "a=b", "a b", "!", "{", "}", "[[", "#x", "~", "*", "pcs", "x'y", "é", "a\nb"}, reserved...) {
		require.NoError(t, os.Symlink(binary(t), filepath.Join(dir, name)))
		require.Equal(t, []string{"stop", "--all"}, handed(t, []string{name, "stop", "--all"}, "PATH="+dir), name)
	}
}

func TestWhatNeedsNoQuotesHasNone(t *testing.T) {
	line, err := Quote([]string{"/usr/sbin/pcs", "cluster", "stop", "--all", "-w=1"})
	require.NoError(t, err)
	require.Equal(t, "/usr/sbin/pcs cluster stop --all '-w=1'", line)
}

func TestNoCommand(t *testing.T) {
	for _, argv := range [][]string{nil, {}, {""}, {"a\x00b"}, {"a", "b\x00"}, {"a", strings.Repeat("x", maxCommand)}} {
		_, err := Quote(argv)
		require.ErrorIs(t, err, fault.Invalid)
	}
}
