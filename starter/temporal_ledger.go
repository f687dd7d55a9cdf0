package main

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/converter"

	"nightshift/activities"
	"nightshift/internal/ledger"
)

// temporalLedger is the ledger of a lab: the state of one long-lived workflow.
type temporalLedger struct{ activities.LedgerClient }

func (t temporalLedger) State(ctx context.Context, lab string) (ledger.State, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	s, err := t.LedgerClient.State(ctx, lab)
	switch {
	case errors.Is(err, converter.ErrUnableToDecode):
		return s, fmt.Errorf("read the ledger of lab %s: %w", lab, err)
	case err != nil:
		return s, fmt.Errorf("read the ledger of lab %s: %w (%s)", lab, errNoWorker, err.Error())
	}
	return s, nil
}

func (t temporalLedger) Change(ctx context.Context, lab string, c ledger.Change) (ledger.State, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	err := t.LedgerClient.Change(ctx, lab, c)
	if err != nil && ctx.Err() != nil {
		return ledger.State{}, fmt.Errorf("the ledger of lab %s does not answer: %w", lab, errNoWorker)
	}
	if err != nil {
		return ledger.State{}, fmt.Errorf("the ledger of lab %s refused it: %w", lab, rootCause(err))
	}
	return t.State(ctx, lab)
}
