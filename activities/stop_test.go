package activities

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

// A mute Temporal never answers: so it is with the ledger's workflow once the worker that runs it has stopped.
type mute struct{ client.Client }

func (mute) QueryWorkflow(ctx context.Context, _, _, _ string, _ ...any) (converter.EncodedValue, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (mute) NewWithStartWorkflowOperation(client.StartWorkflowOptions, any, ...any) client.WithStartWorkflowOperation {
	return nil
}

func (mute) UpdateWithStartWorkflow(ctx context.Context, _ client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A worker that stops does not wait for its own ledger: it would for as long as it may.
func TestAStoppingWorkerDoesNotWaitForItsLedger(t *testing.T) {
	for name, act := range map[string]func(*Activities) (any, any){
		"change": func(a *Activities) (any, any) { return a.ReleaseLocks, plan.LockRequest{Lab: "home"} },
		"read":   func(a *Activities) (any, any) { return a.ReadLedger, "home" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newActivities(newWorld())
			a.ledger = newLedgerClient(mute{})
			env := stopped()
			f, arg := act(a)
			env.RegisterActivity(f)
			_, err := env.ExecuteActivity(f, arg)
			requireType(t, err, Transient)
		})
	}
}

// A crowded Temporal counts the updates that are on their way to it, and answers when it is told to.
type crowded struct {
	mute
	now, most atomic.Int32
	answer    chan struct{}
}

func (c *crowded) UpdateWithStartWorkflow(context.Context, client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	<-c.answer
	return nil, errors.New("no")
}

// However many steps write down what they owe, Temporal is not asked for more at a time than it takes.
func TestFewChangesOfTheLedgerAtATime(t *testing.T) {
	c := &crowded{answer: make(chan struct{})}
	l := newLedgerClient(c)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() { _ = l.change(t.Context(), "home", ledger.Change{}) })
	}
	require.Eventually(t, func() bool { return c.now.Load() == ledgerChanges }, time.Minute, time.Millisecond)
	close(c.answer)
	all.Wait()
	require.EqualValues(t, ledgerChanges, c.most.Load())
	require.Empty(t, l.changes)
}
