package vmfs

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/sshexec"
)

// here runs commands on this machine.
type here struct {
	t     *testing.T
	lines [][]string
	err   error
}

func (h *here) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	h.lines = append(h.lines, argv)
	if h.err != nil {
		return sshexec.Result{}, h.err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	out, err := cmd.Output()
	res := sshexec.Result{Stdout: out}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		res.Status, res.Stderr = exit.ExitCode(), exit.Stderr
	} else {
		require.NoError(h.t, err)
	}
	return res, nil
}

// file is a device as a sparse file.
func (m image) file(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "device")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(m.size))
	for at, b := range m.pieces {
		_, err := f.WriteAt(b, at)
		require.NoError(t, err)
	}
	return path
}

// By dd, the volume of the document is read with no more than what is needed.
func TestOverCommands(t *testing.T) {
	m := document(t)
	path := m.file(t)
	run := &here{t: t}
	v, err := Inspect(NewRemote(t.Context(), run, m.size, InspectMost, Dd(path)), m.size)
	require.NoError(t, err)
	want, err := Inspect(m, m.size)
	require.NoError(t, err)
	require.Equal(t, want, v)
	require.Len(t, run.lines, 3, "the table, the header with its volumes, the descriptor: %v", run.lines)

	g := gptImage(t)
	run = &here{t: t}
	table, err := ReadTable(NewRemote(t.Context(), run, g.size, InspectMost, Dd(g.file(t))), g.size)
	require.NoError(t, err)
	require.Empty(t, table.Problems)
	require.Len(t, table.Partitions, 1)
	require.LessOrEqual(t, len(run.lines), 3)
}

func TestPartsOfADevice(t *testing.T) {
	m := image{size: 3*chunk + 700, pieces: map[int64][]byte{chunk - 2: []byte("abcd"), 3*chunk + 690: []byte("0123456789")}}
	for _, size := range []int64{m.size, 0} {
		run := &here{t: t}
		r := NewRemote(t.Context(), run, size, InspectMost, Dd(m.file(t)))
		for _, c := range []struct{ at, n int64 }{{0, 1}, {chunk - 3, 10}, {0, 2 * chunk}, {m.size - 10, 10}, {m.size - 5, 10}, {m.size, 1}, {m.size + chunk, 1}, {5, 3*chunk + 690}} {
			want, got := make([]byte, c.n), make([]byte, c.n)
			n, err := m.ReadAt(want, c.at)
			k, gotErr := r.ReadAt(got, c.at)
			require.Equal(t, want, got, c)
			require.Equal(t, n, k, c)
			require.Equal(t, err, gotErr, c)
		}
	}
	run := &here{t: t}
	r := NewRemote(t.Context(), run, 0, 3*chunk, Dd(m.file(t)))
	_, err := r.ReadAt(make([]byte, 4*chunk), 0)
	require.ErrorIs(t, err, fault.Invalid)
	require.Empty(t, run.lines, "nothing is fetched that is too much")
	_, err = r.ReadAt(make([]byte, 1), -1)
	require.ErrorIs(t, err, fault.Invalid)
}

func TestWhatCannotBeRead(t *testing.T) {
	r := NewRemote(t.Context(), &here{t: t}, 0, InspectMost, Dd("/no/such/device"))
	_, err := Inspect(r, 0)
	require.ErrorIs(t, err, fault.State)
	require.ErrorContains(t, err, "/no/such/device")

	say := func(words string) *Remote {
		return NewRemote(t.Context(), &here{t: t}, 0, InspectMost, func(int64, int64) []string { return []string{"sh", "-c", "echo '" + words + "' >&2; exit 1"} })
	}
	for _, words := range []string{"sudo: a password is required", "dd: failed to open /dev/zd0: Permission denied"} {
		_, err = say(words).ReadAt(make([]byte, 1), 0)
		require.ErrorIs(t, err, fault.Permission, words)
	}
	r = NewRemote(t.Context(), &here{t: t}, 0, InspectMost, func(int64, int64) []string { return []string{"head", "-c", "100000", "/dev/zero"} })
	_, err = r.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, fault.Unsupported)
	r = NewRemote(t.Context(), &here{t: t, err: io.ErrClosedPipe}, 0, InspectMost, Dd("x"))
	_, err = r.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}
