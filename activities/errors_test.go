package activities

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
)

func TestClassify(t *testing.T) {
	target := plan.Target{Kind: plan.Guest, Name: "web01"}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"refused login":     {fault.As(fault.Auth, errors.New("x")), Auth},
		"wrong certificate": {fault.As(fault.Identity, errors.New("x")), Unsafe},
		"safety rule":       {refuse(errUnsafe, "x"), Unsafe},
		"no right":          {fault.As(fault.Permission, errors.New("x")), Permission},
		"gone":              {fault.As(fault.NotFound, errors.New("x")), NotFound},
		"wrong state":       {fault.As(fault.State, errors.New("x")), Precondition},
		"cannot at all":     {fault.As(fault.Unsupported, errors.New("x")), Precondition},
		"makes no sense":    {fault.As(fault.Invalid, errors.New("x")), InvalidInput},
		"no answer":         {fault.As(fault.Unreachable, errors.New("x")), Transient},
		"unknown":           {errors.New("x"), Transient},
		"a sentence":        {errors.New("it said no."), Transient}, //nolint:revive // others write so
		"wrapped":           {fmt.Errorf("read it: %w", fault.As(fault.Auth, errors.New("x"))), Auth},
		"final inside a wrapping, which Temporal would try again": {
			fmt.Errorf("again: %w", fault.As(fault.Permission, temporal.NewNonRetryableApplicationError("x", "Y", nil))), Permission},
	} {
		t.Run(name, func(t *testing.T) {
			err := classify(plan.PowerOnGuest, target, c.err)
			app, ok := err.(*temporal.ApplicationError) //nolint:errorlint // the outermost error is what Temporal sees
			require.True(t, ok)
			require.Equal(t, c.want, app.Type())
			require.Equal(t, c.want != Transient, app.NonRetryable())
			require.Contains(t, app.Message(), "PowerOnGuest of guest web01: ")
			require.Contains(t, app.Message(), ". Next: ")
			require.NotContains(t, app.Message(), ".. Next: ")
		})
	}
	away := fault.As(fault.Unreachable, errors.New("x"))
	require.ErrorContains(t, classify(plan.PowerOnGuest, target, away), "then `nightshift retry`")
	require.ErrorContains(t, classify(plan.MakePlan, target, away), "then start it again", "a plan that was not made has no step to retry")
	require.NoError(t, classify(plan.PowerOnGuest, target, nil))
	done := temporal.NewNonRetryableApplicationError("x", Locked, nil)
	require.Equal(t, done, classify(plan.TakeLocks, target, done), "what is classified is left as it is")
}
