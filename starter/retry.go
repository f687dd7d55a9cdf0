package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/runapi"
)

type retryOptions struct {
	all    bool
	force  bool
	pairs  []string
	reason string
}

func newRetryCommand(a *app) *cobra.Command {
	o := &retryOptions{}
	c := &cobra.Command{
		Use:   "retry [RUN] [STEP…]",
		Short: "Try blocked steps again, also with changed parameters",
		Long: `Try blocked steps again. Without a step: the blocked one, where there is only one; --all: all of them.
A step is its id, or the name of its guest or host where only one blocked step is about it.

With -p parameters of the steps are changed for this and later attempts: an amendment, recorded in the report. Each of the steps
has to take them; with --all too.
--force lets the step take its harsher way, where it has one (power off a guest, cut the power of a host).

` + runHelp,
		ValidArgsFunction: a.completeSteps,
		RunE: func(c *cobra.Command, args []string) error {
			return a.sendOrder(c.Context(), args, runapi.Retry, true, func(s *session, run string, steps []string) (runapi.Order, error) {
				return retryOrder(c.Context(), *o, s, run, steps)
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&o.all, "all", false, "all blocked steps")
	f.BoolVar(&o.force, "force", false, "let the step take its harsher way")
	f.StringArrayVarP(&o.pairs, "param", "p", nil, "changed parameter of the steps, `KEY=VALUE` (VALUE as JSON, or plain text)")
	reasonFlag(f, &o.reason, "`why`, for the report")
	return c
}

func retryOrder(ctx context.Context, o retryOptions, s *session, run string, steps []string) (runapi.Order, error) {
	params, err := stepParameters(o.pairs)
	if err != nil {
		return runapi.Order{}, err
	}
	if o.all && len(steps) > 0 {
		return runapi.Order{}, usage("retry: either steps or --all")
	}
	blocked, err := s.blockedSteps(ctx, run)
	if err != nil {
		return runapi.Order{}, err
	}
	switch {
	case len(steps) > 0:
		if steps, err = stepIDs(run, blocked, steps); err != nil {
			return runapi.Order{}, err
		}
	case len(blocked) > 1 && !o.all:
		return runapi.Order{}, usage("run %s has %d blocked steps: name those to retry, or give --all: %s", run, len(blocked), listed(blocked))
	default:
		for _, st := range blocked {
			steps = append(steps, st.ID)
		}
	}
	return runapi.Order{Steps: steps, Force: o.force, Params: params, Reason: o.reason}, nil
}

// stepParameters reads KEY=VALUE; what is not JSON is text, as in timeout=10m.
func stepParameters(pairs []string) (map[string]any, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	params := map[string]any{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usage("-p %s: parameters are KEY=VALUE", pair)
		}
		var v any
		if json.Unmarshal([]byte(value), &v) != nil {
			v = value
		}
		params[key] = v
	}
	return params, nil
}
