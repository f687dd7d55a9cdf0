package engine

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/server/common/authorization"
)

// A busyFrontend answers nobody until it is let go: as on a machine that has no time for it.
type busyFrontend struct{ free chan struct{} }

func (f *busyFrontend) Authorize(context.Context, *authorization.Claims, *authorization.CallTarget) (authorization.Result, error) {
	<-f.free // also when whoever asked has left: a refusal would be an answer
	return authorization.Result{Decision: authorization.DecisionAllow}, nil
}

// A lineWatch is closed once a line has the words in it.
type lineWatch struct {
	words string
	seen  chan struct{}
	once  sync.Once
}

func (w *lineWatch) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(w.words)) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(b), nil
}

// Temporal gives its services 15 seconds to come up. On a busy machine they get longer, and it is said that it takes long.
func TestABusyMachineGetsMoreTimeToStart(t *testing.T) {
	slow := &lineWatch{words: "takes long to start", seen: make(chan struct{})}
	s := begin(t, Options{Dir: dir(t, t.TempDir()), UIPort: -1, Unsafe: true, Logger: slog.New(slog.NewTextHandler(slow, nil)),
		authorizer: &busyFrontend{free: slow.seen}})
	select {
	case <-slow.seen:
	default:
		require.Fail(t, "it was not slow: this test shows nothing")
	}
	greet(t, dial(t, s), "late", temporal.NewSearchAttributes())
}

// Who does not want to wait any longer need not.
func TestASlowStartIsGivenUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &Server{options: Options{Logger: slog.New(slog.DiscardHandler)}}
	require.ErrorIs(t, s.awaitTemporal(ctx, make(chan error)), context.Canceled)
}
