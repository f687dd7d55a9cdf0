package iscsi_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// run is what a command prints here.
func run(t testing.TB, argv []string, stdin string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// A probeRunner hears of commands, and answers none.
type probeRunner func(argv []string)

func (p probeRunner) Query(_ context.Context, argv []string) (sshexec.Result, error) {
	p(argv)
	return sshexec.Result{Status: 1}, nil
}

func (p probeRunner) Act(ctx context.Context, argv []string, _ io.Reader) (sshexec.Result, error) {
	return p.Query(ctx, argv)
}
