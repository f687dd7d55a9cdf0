package iscsi_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/sshexec"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

// An answer is a host that says one thing to everything.
type answer struct {
	status         int
	stdout, stderr string
}

func (a answer) Query(context.Context, []string) (sshexec.Result, error) {
	return sshexec.Result{Status: a.status, Stdout: []byte(a.stdout), Stderr: []byte(a.stderr)}, nil
}

func (a answer) Act(ctx context.Context, argv []string, _ io.Reader) (sshexec.Result, error) {
	return a.Query(ctx, argv)
}
