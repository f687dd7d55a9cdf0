package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"nightshift/activities"
	"nightshift/internal/engine"
	"nightshift/internal/ledger"
	"nightshift/internal/runapi"
	"nightshift/internal/statedir"
	"nightshift/internal/words"
	"nightshift/workflows"
)

// systemPrefix begins the ids of Temporal's own workflows; schedulePrefix those that are a schedule each.
const (
	systemPrefix   = "temporal-sys-"
	schedulePrefix = "temporal-sys-scheduler:"
)

// restPause is between two looks at a schedule that is to be paused.
const restPause = 100 * time.Millisecond

// bringToRest makes an unpacked state one in which nothing goes on by itself: with its engine up, and no worker, it pauses
// the schedules and terminates the runs. It answers which runs and schedules those were.
func bringToRest(ctx context.Context, a *app, dir *statedir.Dir, m statedir.Manifest) (runs, paused []string, err error) {
	srv, err := engine.Start(ctx, engine.Options{Dir: dir, UIPort: -1, SearchAttributes: workflows.SearchAttributes(), Logger: a.logger(logOptions{})})
	if err != nil {
		return nil, nil, fmt.Errorf("look into the restored state: %w", err)
	}
	defer func() { err = errors.Join(err, srv.Stop()) }()
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: srv.Address(), Namespace: srv.Namespace()})
	if err != nil {
		return nil, nil, fmt.Errorf("look into the restored state: %w", err)
	}
	defer c.Close()
	r := rest{client: c, namespace: srv.Namespace(), database: dir.Database(), why: "restored from the backup of " + words.Second(m.Made)}
	if paused, err = r.pauseSchedules(ctx); err != nil { // first: one may start a run the moment that the engine is up
		return nil, nil, err
	}
	runs, err = r.endRuns(ctx)
	return runs, paused, err
}

// A rest is what brings an engine to rest.
type rest struct {
	client              client.Client
	namespace, database string
	why                 string
}

// open are the workflows that are open in the namespace, from the database itself.
func (r rest) open(ctx context.Context) (ids []string, err error) {
	list, err := engine.OpenExecutions(ctx, r.database)
	for _, e := range list {
		if e.Namespace == r.namespace {
			ids = append(ids, e.Workflow)
		}
	}
	return ids, err
}

// pauseSchedules pauses those that are not yet, and answers their names as people know them.
func (r rest) pauseSchedules(ctx context.Context) (paused []string, err error) {
	ids, err := r.schedules(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		h := r.client.ScheduleClient().GetHandle(ctx, id)
		d, err := h.Describe(ctx)
		if errors.As(err, new(*serviceerror.NotFound)) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("schedule %s: %w", id, err)
		}
		if st := d.Schedule.State; st != nil && st.Paused {
			continue
		}
		if err := h.Pause(ctx, client.SchedulePauseOptions{Note: "paused: " + r.why}); err != nil {
			return nil, fmt.Errorf("pause schedule %s: %w", id, err)
		}
		if err := awaitPaused(ctx, h); err != nil {
			return nil, fmt.Errorf("pause schedule %s: %w", id, err)
		}
		name := id
		if s, ours := activities.ScheduleOf(d.Memo.GetFields()[runapi.ScheduleMemo]); ours {
			name = s.Name
		}
		paused = append(paused, name)
	}
	return paused, nil
}

// schedules are the ids of all schedules: of those that Temporal lists, and of those that its list may lag behind with.
func (r rest) schedules(ctx context.Context) ([]string, error) {
	open, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, id := range open {
		if name, ok := strings.CutPrefix(id, schedulePrefix); ok {
			ids = append(ids, name)
		}
	}
	it, err := r.client.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the schedules: %w", err)
	}
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return nil, fmt.Errorf("list the schedules: %w", err)
		}
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func awaitPaused(ctx context.Context, h client.ScheduleHandle) error {
	for {
		d, err := h.Describe(ctx)
		if err == nil && d.Schedule.State != nil && d.Schedule.State.Paused {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(restPause):
		}
	}
}

// endRuns terminates everything that is open but ledgers and Temporal's own, until nothing is. It answers the ids of runs:
// messages and their caretaker are ended as well, and hold no locks.
// Their locks stay behind in the ledger: they belong to runs that are closed, and only a person frees them.
func (r rest) endRuns(ctx context.Context) (ended []string, err error) {
	for {
		open, err := r.open(ctx)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, id := range open {
			if strings.HasPrefix(id, systemPrefix) {
				continue
			}
			d, err := r.client.DescribeWorkflowExecution(ctx, id, "")
			if err != nil {
				return nil, fmt.Errorf("run %s: %w", id, err)
			}
			kind := d.GetWorkflowExecutionInfo().GetType().GetName()
			if kind == ledger.Workflow {
				continue
			}
			err = r.client.TerminateWorkflow(ctx, id, "", r.why+": what the run did after that is not known, so it does not go on")
			if err != nil && !errors.As(err, new(*serviceerror.NotFound)) { // closed meanwhile
				return nil, fmt.Errorf("terminate run %s: %w", id, err)
			}
			n++
			if holdsLocks(kind) && !slices.Contains(ended, id) {
				ended = append(ended, id)
			}
		}
		if n == 0 {
			return ended, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// holdsLocks tells whether a workflow of this type is a run, which a person has to unlock: messages and their caretaker are none.
func holdsLocks(kind string) bool { return kind != runapi.CaretakerType && kind != runapi.NotifyType }
