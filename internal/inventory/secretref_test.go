package inventory_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// script writes an executable shell script and returns its path.
func script(t *testing.T, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700))
	return path
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("NIGHTSHIFT_TEST_SECRET", hidden)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte(hidden+"\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "windows"), []byte(hidden+"\r\n"), 0o640))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "blank"), []byte(" x \n"), 0o600))
	script(t, dir, "give", `[ "$1" = "two words" ] && [ "$2" = 'a"b' ] && [ "$#" = 3 ] && echo `+hidden)
	for ref, want := range map[inventory.SecretRef]string{
		"env:NIGHTSHIFT_TEST_SECRET": hidden,
		"file:secret":                hidden,
		"file:windows":               hidden,
		"file:blank":                 " x ",
		inventory.SecretRef("file:" + dir + "/secret"):     hidden,
		`exec:./give 'two words'  "a\"b" ""`:               hidden,
		inventory.SecretRef("exec:cat " + dir + "/secret"): hidden,
		"exec:printf %s\\ %s a $HOME":                      "a $HOME",
		"":                                                 "",
	} {
		s, err := ref.Resolve(t.Context(), dir)
		require.NoError(t, err, ref)
		require.Equal(t, want, s.Reveal(), ref)
	}
}

func TestResolveFails(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("NIGHTSHIFT_TEST_EMPTY", "")
	write := func(name, text string, mode os.FileMode) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		require.NoError(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	write("open", hidden, 0o644)
	write("writable", hidden, 0o660)
	write("empty", "\n", 0o600)
	write("lines", hidden+"\n"+hidden+"\n", 0o600)
	write("large", strings.Repeat("x", 1<<17), 0o600)
	script(t, dir, "fail", "echo "+hidden+"; echo "+hidden+" >&2; exit 7")
	script(t, dir, "chatty", "echo "+hidden+"; echo more")
	for ref, says := range map[inventory.SecretRef]string{
		"env:NIGHTSHIFT_TEST_UNSET": "NIGHTSHIFT_TEST_UNSET is not set, or empty",
		"env:NIGHTSHIFT_TEST_EMPTY": "NIGHTSHIFT_TEST_EMPTY is not set, or empty",
		"env:":                      "wants the name of an environment variable",
		"file:none":                 filepath.Join(dir, "none") + ": no such file",
		"file:open":                 "has mode 0644: others may read",
		"file:writable":             "has mode 0660",
		"file:empty":                "file:empty gave an empty secret",
		"file:lines":                "more than one line",
		"file:large":                "more than 64 KiB",
		"file:.":                    "no regular file",
		"file:":                     "wants the path of a file",
		"exec:./fail hunter2":       "the command ./fail failed (exit status 7)",
		"exec:./chatty hunter2":     "exec:./chatty gave more than one line",
		"exec:./none hunter2":       "no such file",
		"exec:true hunter2":         "exec:true gave an empty secret",
		"exec:'open":                "a quote is not closed",
		"exec: ":                    "there is no command",
		"exec:a\\":                  "ends with a backslash",
		"hunter2":                   "not a reference to a secret",
		"pass:hunter2":              "not a reference to a secret",
	} {
		s, err := ref.Resolve(t.Context(), dir)
		require.ErrorContains(t, err, says, ref)
		require.ErrorIs(t, err, fault.Invalid, ref)
		require.NotContains(t, err.Error(), hidden, ref)
		require.True(t, s.IsZero())
	}
}

func TestCommandThatHangsIsStopped(t *testing.T) {
	dir := t.TempDir()
	script(t, dir, "hang", "echo "+hidden+"; sleep 600 & wait") // the child keeps the pipe open
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := inventory.SecretRef("exec:./hang").Resolve(ctx, dir)
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(started), time.Minute)
}
