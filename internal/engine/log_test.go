package engine

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/log/tag"
)

func logTo(b *bytes.Buffer, full func()) *serverLog {
	return newServerLog(slog.New(slog.NewTextHandler(b, nil)), full)
}

func TestLogPassesWarningsAndWhatIsWorse(t *testing.T) {
	var b bytes.Buffer
	l := logTo(&b, nil)
	l.Debug("one")
	l.Info("two")
	l.Warn("three", tag.Error(errors.New("oh")))
	l.Panic("four")
	require.NotContains(t, b.String(), "one")
	require.NotContains(t, b.String(), "two")
	require.Contains(t, b.String(), "level=WARN msg=three error=oh")
	require.Contains(t, b.String(), "level=ERROR msg=four")
	l.quiet.Store(true)
	l.Error("five")
	require.NotContains(t, b.String(), "five")
}

func TestLogLeavesOutWhatIsSaidTooOften(t *testing.T) {
	l := logTo(new(bytes.Buffer), nil)
	now := time.Now()
	passed := 0
	for range 100 {
		if _, ok := l.admit("again", now); ok {
			passed++
		}
	}
	require.Equal(t, burst, passed)
	_, ok := l.admit("else", now)
	require.True(t, ok)
	left, ok := l.admit("again", now.Add(window))
	require.True(t, ok)
	require.Equal(t, 100-burst, left)
}

func TestLogNoticesAFullDiskInsteadOfPassingItOn(t *testing.T) {
	var b bytes.Buffer
	noticed := 0
	l := logTo(&b, func() { noticed++ })
	line := func() {
		l.Error("cannot write", tag.Error(errors.New("commit failed. Error: database or disk is full (13)")))
	}
	line()
	l.quiet.Store(true)
	line()
	require.Equal(t, 2, noticed)
	require.Empty(t, b.String())
}

func TestDiskWatchReportsEachLevelOnce(t *testing.T) {
	var told reports
	free := uint64(1 << 40)
	w := &diskWatch{path: "/x", free: func(string) (uint64, error) { return free, nil }, log: slog.New(slog.DiscardHandler), notify: told.add}
	w.look()
	require.Empty(t, told.get())
	free = 100 << 20
	w.look()
	w.look()
	w.full()
	w.full()
	w.look()
	free = 1 << 40
	w.look()
	w.look()
	got := told.get()
	require.Len(t, got, 3)
	require.ErrorContains(t, got[0], "disk almost full: 100 MiB free on the file system of /x")
	require.ErrorContains(t, got[1], "disk full: database in /x cannot write")
	require.NoError(t, got[2])
}

func TestFatalEndsTheGoroutineAndIsKept(t *testing.T) {
	var b bytes.Buffer
	l := logTo(&b, nil)
	ended := make(chan bool)
	go func() {
		returned := false
		defer func() { ended <- returned }()
		l.Fatal("no port", tag.Error(errors.New("taken")))
		returned = true
	}()
	require.False(t, <-ended, "Fatal never returns")
	require.Equal(t, "no port; error: taken", l.died())
	require.True(t, strings.Contains(b.String(), "level=ERROR"))
}
