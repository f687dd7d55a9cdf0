package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/homefile"
	"nightshift/internal/sshexec"
	"nightshift/internal/vmfs"
)

// onHost and inShell are two ways to run the same commands: on a simulated host, and by the sh of this machine.
type onHost struct{ h *Host }

func (o onHost) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	return o.Act(ctx, argv, nil)
}

func (o onHost) Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	var out, errs bytes.Buffer
	if stdin == nil {
		stdin = bytes.NewReader(nil)
	}
	exit := o.h.Run(ctx, o.h.Account(), argv, Streams{In: stdin, Out: &out, Err: &errs})
	return sshexec.Result{Status: exit.Status, Stdout: out.Bytes(), Stderr: errs.Bytes()}, nil
}

type inShell struct{ home string }

func (s inShell) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	return s.Act(ctx, argv, nil)
}

func (s inShell) Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH")}, "/", stdin, &out, &errs
	err := cmd.Run()
	if errors.As(err, new(*exec.ExitError)) {
		err = nil
	}
	return sshexec.Result{Status: cmd.ProcessState.ExitCode(), Stdout: out.Bytes(), Stderr: errs.Bytes()}, err
}

const copiesOf = vmfs.CopyDir + "/home/ss1/mail"

// The simulated host does with copies of backups what a shell does.
func TestCopies(t *testing.T) {
	h := newTestHost(t)
	home := t.TempDir()
	for name, on := range map[string]struct {
		run vmfs.CopyRunner
		put func(file, text string)
	}{
		"simulated": {onHost{h}, func(file, text string) { h.SetFile(copiesOf+"/"+file, []byte(text)) }},
		"shell": {inShell{home}, func(file, text string) {
			require.NoError(t, os.WriteFile(filepath.Join(home, copiesOf, file), []byte(text), 0o600))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			c, err := vmfs.NewCopies(on.run, "home", "ss1", "mail")
			require.NoError(t, err)
			list, err := c.List(ctx)
			require.NoError(t, err)
			require.Empty(t, list)
			_, err = c.Is(ctx, "2026-01-01T000000Z.tar.gz", []byte("x"))
			require.ErrorIs(t, err, fault.State)
			require.ErrorContains(t, err, "No such file")

			big := bytes.Repeat([]byte("0123456789abcdef"), 100_000) // more than what a command may print
			for _, file := range []string{"2026-01-02T000000Z.tar.gz", "2026-01-01T000000Z.tar.gz"} {
				require.NoError(t, c.Save(ctx, file, big))
			}
			on.put("mine.txt", "x")
			on.put("-rf.tar.gz", "x")
			on.put("0 x.tar.gz", "x")
			list, err = c.List(ctx)
			require.NoError(t, err)
			require.ElementsMatch(t, []vmfs.Copy{{File: "2026-01-01T000000Z.tar.gz", Size: 1_600_000}, {File: "2026-01-02T000000Z.tar.gz", Size: 1_600_000}}, list)
			requireIs(t, c, "2026-01-01T000000Z.tar.gz", big, true)
			other := bytes.Clone(big)
			other[len(other)-1]++
			requireIs(t, c, "2026-01-01T000000Z.tar.gz", other, false)
			requireIs(t, c, "2026-01-01T000000Z.tar.gz", append(other, 0), false)

			require.NoError(t, c.Save(ctx, "2026-01-01T000000Z.tar.gz", []byte("short")), "in the place of the other")
			requireIs(t, c, "2026-01-01T000000Z.tar.gz", []byte("short"), true)
			res, err := on.run.Act(ctx, homefile.Save(vmfs.CopyDir+"/home/ss1/mail", "2026-01-01T000000Z.tar.gz", 9), bytes.NewReader([]byte("half")))
			require.NoError(t, err)
			require.Equal(t, 1, res.Status)
			require.Equal(t, "not all of it arrived\n", string(res.Stderr))
			requireIs(t, c, "2026-01-01T000000Z.tar.gz", []byte("short"), true)

			require.NoError(t, c.Remove(ctx, "2026-01-02T000000Z.tar.gz", "2025-01-02T000000Z.tar.gz"))
			list, err = c.List(ctx)
			require.NoError(t, err)
			require.Equal(t, []vmfs.Copy{{File: "2026-01-01T000000Z.tar.gz", Size: 5}}, list)
			require.ErrorIs(t, c.Save(ctx, "../x.tar.gz", nil), fault.Invalid)
			another, err := vmfs.NewCopies(on.run, "home", "ss1", "web")
			require.NoError(t, err)
			list, err = another.List(ctx)
			require.NoError(t, err)
			require.Empty(t, list)
		})
	}
	info, err := os.Stat(filepath.Join(home, copiesOf, "2026-01-01T000000Z.tar.gz"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	files, err := os.ReadDir(filepath.Join(home, copiesOf))
	require.NoError(t, err)
	require.Len(t, files, 4, "three are somebody else's, and nothing half is left")
	for _, wrong := range [][3]string{{"home", "..", "mail"}, {"home", "ss1", ""}, {"home", "ss1", "a/b"}, {"$(x)", "ss1", "mail"}} {
		_, err := vmfs.NewCopies(nil, wrong[0], wrong[1], wrong[2])
		require.ErrorIs(t, err, fault.Invalid, fmt.Sprint(wrong))
	}
}

func requireIs(t *testing.T, c *vmfs.Copies, file string, data []byte, want bool) {
	t.Helper()
	is, err := c.Is(t.Context(), file, data)
	require.NoError(t, err)
	require.Equal(t, want, is)
}
