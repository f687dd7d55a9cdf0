package activities

import (
	"context"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

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
			a.ledger = &ledgerClient{mute{}}
			env := stopped()
			f, arg := act(a)
			env.RegisterActivity(f)
			_, err := env.ExecuteActivity(f, arg)
			requireType(t, err, Transient)
		})
	}
}
