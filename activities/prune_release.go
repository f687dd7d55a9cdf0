package activities

import (
	"context"
	"fmt"
	"slices"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/words"
)

// ReleaseHolds takes our hold from snapshots where nothing needs it any more.
func (a *Activities) ReleaseHolds(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.ReleaseHolds, call: c, prepare: from(c, func(_ context.Context, p plan.PointsParams) (verb, error) {
		s, err := a.pointsStep(c, p)
		if err != nil {
			return verb{}, err
		}
		return verb{read: s.readHolds, remark: s.remark,
			first: s.mark.first("release"),
			calls: map[string]call{"release": {words: fmt.Sprintf("the release of %s on %s", words.Count(len(p.Points), "hold"), p.Dataset), limit: zfsLimit, harmless: true,
				send: func(ctx context.Context, _ seen) (string, error) { return "", s.release(ctx) }}},
		}, nil
	})})
}

func (s *pointsStep) readHolds(ctx context.Context) (seen, error) {
	todo, err := s.dangling(ctx)
	n := len(s.p.Points)
	return seen{done: err == nil && len(todo) == 0, state: "without our hold on " + words.Of(n-len(todo)-len(s.left), n, "snapshot")}, err
}

func (s *pointsStep) release(ctx context.Context) error {
	todo, err := s.dangling(ctx)
	if err != nil {
		return nothingYet(err)
	}
	if len(todo) == 0 {
		return nil
	}
	return certainlyNot(s.here.Release(ctx, replica.HoldTag(s.p.Group), todo...))
}

// dangling reads again which of the snapshots have our hold, and answers those that do not need it.
func (s *pointsStep) dangling(ctx context.Context) (todo []string, _ error) {
	s.left = nil
	rest, err := s.remaining(ctx)
	if err != nil || len(rest) == 0 {
		return nil, err
	}
	var names []string
	for _, x := range rest {
		names = append(names, full(s.p.Dataset, x.Name))
	}
	holds, err := s.here.Holds(ctx, names...)
	if err != nil {
		return nil, err
	}
	rest = slices.DeleteFunc(rest, func(x plan.Point) bool {
		return !slices.Contains(holds, live.ZHold{Snapshot: full(s.p.Dataset, x.Name), Tag: replica.HoldTag(s.p.Group)})
	})
	if len(rest) == 0 {
		return nil, nil
	}
	_, facts, err := s.both(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range rest {
		switch {
		case slices.Contains(facts.Common, x.GUID):
			s.left = append(s.left, "@"+x.Name+" (the last common one)")
		case facts.InFlight[x.GUID]:
			s.left = append(s.left, "@"+x.Name+" (in flight)")
		default:
			todo = append(todo, full(s.p.Dataset, x.Name))
		}
	}
	return todo, nil
}
