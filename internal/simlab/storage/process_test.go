package storage

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAKilledCommandDoesNothingMore(t *testing.T) {
	h := newTestHost(t)
	h.must(t, "zfs create -s -V 64K tank/a")
	require.NoError(t, h.Write("tank/a", 0, 64<<10))
	h.must(t, "zfs snapshot tank/a@x")
	var stream bytes.Buffer
	require.Equal(t, Exit{}, h.Run(t.Context(), root, []string{"zfs", "send", "tank/a@x"}, Streams{Out: &stream}))
	r, w := io.Pipe()
	ended := make(chan Exit, 1)
	go func() {
		ended <- h.Run(context.WithoutCancel(t.Context()), root, []string{"zfs", "receive", "-s", "-u", "tank/b"}, Streams{In: r})
	}()
	half := bytes.Clone(stream.Bytes()[:stream.Len()/2])
	rest := bytes.Clone(stream.Bytes()[len(half):])
	_, err := w.Write(half)
	require.NoError(t, err)
	_, errs, exit := h.try("zfs", "destroy", "tank/b")
	require.Equal(t, 1, exit.Status)
	require.Contains(t, errs, "dataset is busy")
	busy := func(stream []byte) string {
		var errs bytes.Buffer
		require.Equal(t, Exit{Status: 1}, h.Run(t.Context(), root, []string{"zfs", "receive", "-s", "-u", "tank/b"}, Streams{In: bytes.NewReader(stream), Err: &errs}))
		return errs.String()
	}
	require.Equal(t, "cannot receive new filesystem stream: destination 'tank/b' exists\nmust specify -F to overwrite it\n", busy(stream.Bytes()))
	var resumed bytes.Buffer
	require.Equal(t, Exit{}, h.Run(t.Context(), root, []string{"zfs", "send", "-t", h.must(t, "zfs list -H -o receive_resume_token tank/b")}, Streams{Out: &resumed}))
	require.Equal(t, "cannot receive resume stream: destination tank/b contains partially-complete state from \"zfs receive -s\".\n", busy(resumed.Bytes()))
	_, errs, exit = h.try("zfs", "receive", "-A", "tank/b")
	require.Equal(t, 1, exit.Status)
	require.Equal(t, "cannot destroy 'tank/b': dataset is busy\n", errs)
	require.NoError(t, h.Kill(t.Context(), "receive", "tank"))
	require.Equal(t, Exit{-1, "KILL"}, <-ended)
	require.Empty(t, h.Running())
	token := h.must(t, "zfs list -H -o receive_resume_token tank/b")
	require.NotEqual(t, "-", token)
	taken := make(chan struct{})
	go func() { defer close(taken); _, _ = w.Write(rest) }() // nobody takes it
	require.NoError(t, r.Close())
	<-taken
	require.Equal(t, token, h.must(t, "zfs list -H -o receive_resume_token tank/b"))

	// The sender of the rest, and a reader that goes away.
	r, w = io.Pipe()
	require.NoError(t, r.Close())
	exit = h.Run(t.Context(), root, []string{"zfs", "send", "-t", token}, Streams{Out: w})
	require.Equal(t, Exit{-1, "PIPE"}, exit)
	whole := stream.Len()
	stream.Reset()
	require.Equal(t, Exit{}, h.Run(t.Context(), root, []string{"zfs", "send", "-t", token}, Streams{Out: &stream}))
	require.Less(t, stream.Len(), whole*2/3, "it goes on where it was")
	require.Equal(t, Exit{}, h.Run(t.Context(), root, []string{"zfs", "receive", "-s", "-u", "tank/b"}, Streams{In: &stream}))
	want, err := h.Digest("tank/a@x")
	require.NoError(t, err)
	got, err := h.Digest("tank/b@x")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// As measured: what has arrived of an increment is a clone of the snapshot that it is on.
func TestAPartOfAnIncrementKeepsItsBase(t *testing.T) {
	h := newTestHost(t)
	h.must(t, "zfs create -s -V 64K tank/a")
	pass := func(cut int, words ...string) string {
		var stream, errs bytes.Buffer
		require.Equal(t, Exit{}, h.Run(t.Context(), root, words, Streams{Out: &stream}))
		stream.Truncate(stream.Len() - cut)
		h.Run(t.Context(), root, []string{"zfs", "receive", "-s", "-u", "tank/b"}, Streams{In: &stream, Err: &errs})
		return errs.String()
	}
	h.must(t, "zfs snapshot tank/a@x")
	require.Empty(t, pass(0, "zfs", "send", "tank/a@x"))
	require.NoError(t, h.Write("tank/a", 0, 64<<10))
	h.must(t, "zfs snapshot tank/a@y")
	require.Contains(t, pass(3000, "zfs", "send", "-i", "@x", "tank/a@y"), "cannot receive incremental stream: checksum mismatch or incomplete stream.\nPartially received snapshot is saved.\n")
	require.Equal(t, "cannot receive incremental stream: destination tank/b contains partially-complete state from \"zfs receive -s\".\n", pass(0, "zfs", "send", "-i", "@x", "tank/a@y"))
	_, errs, exit := h.try("zfs", "destroy", "tank/b@x")
	require.Equal(t, 1, exit.Status)
	require.Equal(t, "cannot destroy 'tank/b@x': snapshot has dependent clones\nuse '-R' to destroy the following datasets:\ntank/b/%recv\n", errs)
	h.must(t, "zfs receive -A tank/b")
	h.must(t, "zfs destroy tank/b@x")
}

func TestASnapshotThatIsSentIsBusy(t *testing.T) {
	h := newTestHost(t)
	h.must(t, "zfs create -s -V 64K tank/a")
	require.NoError(t, h.Write("tank/a", 0, 64<<10))
	h.must(t, "zfs snapshot tank/a@x")
	r, w := io.Pipe()
	ended := make(chan Exit, 1)
	go func() {
		ended <- h.Run(context.WithoutCancel(t.Context()), root, []string{"zfs", "send", "tank/a@x"}, Streams{Out: w})
	}()
	_, err := r.Read(make([]byte, 10))
	require.NoError(t, err)
	_, errs, exit := h.try("zfs", "destroy", "tank/a@x")
	require.Equal(t, 1, exit.Status)
	require.Contains(t, errs, "dataset is busy")
	h.Crash()
	require.Equal(t, Exit{-1, "KILL"}, <-ended)
	require.NoError(t, r.Close())
	require.Eventually(t, func() bool { _, _, exit := h.try("zfs", "destroy", "tank/a@x"); return exit == (Exit{}) }, 10e9, 1e6)
}

func TestReadingAZvol(t *testing.T) {
	h := newTestHost(t)
	h.must(t, "zfs create -s -V 64K tank/a")
	require.NoError(t, h.WriteBytes("tank/a", 2048, []byte("a header")))
	out, _, exit := h.try(readProgram, "tank/a", "4", "1")
	require.Equal(t, Exit{}, exit)
	require.Equal(t, "a header", string(bytes.TrimRight([]byte(out), "\x00")))
	require.Len(t, out, 512)
	out, _, _ = h.try(readProgram, "tank/a", "126", "100")
	require.Len(t, out, 1024, "to its end")
	_, _, exit = h.try(readProgram, "tank/none", "0", "1")
	require.Equal(t, 2, exit.Status)
	exit = h.Run(t.Context(), h.Account(), []string{readProgram, "tank/a", "0", "1"}, Streams{})
	require.Equal(t, 1, exit.Status, "without sudo")
	require.Equal(t, Exit{}, h.Run(t.Context(), h.Account(), []string{"sudo", "-n", readProgram, "tank/a", "0", "1"}, Streams{}))
	require.Equal(t, 1, h.Run(t.Context(), h.Account(), []string{"sudo", "-n", "zfs", "destroy", "tank/a"}, Streams{}).Status)
}
