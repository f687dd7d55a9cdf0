//go:build storagelab

// Package storagelab is for tests against real storage: OpenZFS, LIO and open-iscsi on two QEMU machines, which
// `make storage-lab` boots. It knows the machines and nothing of what is tested on them.
package storagelab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// directory is where the lab lies: lab.sh, which writes it, says the same.
func directory(t testing.TB) string {
	if dir := os.Getenv("NIGHTSHIFT_STORAGE_LAB"); dir != "" {
		return dir
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	return filepath.Join(cache, "nightshift", "storage-lab")
}

// An environment is run/lab.env: a line NAME=VALUE each.
type environment map[string]string

func readEnvironment(t testing.TB) environment {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(directory(t), "run", "lab.env"))
	if err != nil {
		require.FailNow(t, "the storage lab is not up: make storage-lab", err.Error())
	}
	env := environment{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		require.True(t, ok, "lab.env has a line without a value: %q", line)
		env[name] = value
	}
	return env
}

// get is a value that must be there: one that is not means another version of lab.sh.
func (e environment) get(t testing.TB, name string) string {
	t.Helper()
	value, ok := e["STORAGELAB_"+name]
	require.True(t, ok, "lab.env lacks STORAGELAB_%s: make storage-lab-down storage-lab", name)
	return value
}
