package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
	"nightshift/internal/words"
)

// taskSystem tells about the tasks of a vCenter.
type taskSystem interface {
	// Task answers at once, whether the task has ended or not.
	Task(ctx context.Context, ref string) (vsphere.TaskInfo, error)
	// TasksSince lists the tasks of an object, ended ones too, that began after the time by our clock.
	TasksSince(ctx context.Context, entity string, since time.Time) ([]vsphere.TaskInfo, error)
}

// noTasks is for calls of which no vCenter makes a task.
type noTasks struct{}

// TasksSince has nothing to tell.
func (noTasks) TasksSince(context.Context, string, time.Time) ([]vsphere.TaskInfo, error) {
	return nil, nil
}

// taskWindow is how far back from the intent the tasks of an object are read: what the list has after the call and had
// not before it, came after it, whatever the clocks say.
const taskWindow = 10 * time.Minute

// A wait is the time after a call until its effect is there, it is known not to come, or nobody can tell.
type wait struct {
	*attempt
	v    verb
	name string
	c    call
	seen seen
	err  error // of the last read; then seen is older
}

// watch waits for the effect of the call. It answers either an outcome, or the next call to send, or an error.
func (t *attempt) watch(v verb, name string) (*plan.Outcome, string, seen, error) {
	w := &wait{attempt: t, v: v, name: name, c: v.calls[name]}
	for pause := t.a.pace.first; ; pause = min(pause*3/2, t.a.pace.last) {
		var news <-chan struct{}
		s, err := t.look(v)
		if w.err = err; err == nil {
			if w.seen = s; s.done {
				out, err := t.done(v, s, "")
				return &out, "", s, err
			}
			if news, err = w.carry(); err != nil {
				return nil, "", s, err
			}
		}
		out, next, err := w.judge()
		if out != nil || next != "" || err != nil {
			return out, next, w.seen, err
		}
		if t.pause(pause, news) {
			return nil, "", w.seen, errLeave
		}
	}
}

// carry keeps a call going that needs it.
func (w *wait) carry() (news <-chan struct{}, _ error) {
	if w.c.carry == nil || !w.memo.Sent() {
		return nil, nil
	}
	w.far(w.seen.progress)
	news, err := w.c.carry(func() error { return w.record(w.memo) })
	if errors.Is(err, errLeave) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.c.words, err)
	}
	if !w.memo.Answered { // whoever sent it died before it could say so
		w.note(func(m *plan.Memo) { m.Answered = true })
	}
	return news, nil
}

// judge decides after a read that did not show the wanted state. Nothing: wait on.
func (w *wait) judge() (*plan.Outcome, string, error) {
	sent := w.memo.Sent()
	switch {
	case w.err == nil || errors.Is(w.err, fault.Unreachable):
	case !sent, errors.Is(w.err, fault.Identity):
		return nil, "", w.err
	case saidNo(w.err):
		return w.unclear(w.said()+", but what became of it cannot be read: "+w.err.Error(), w.seen.state, false), "", nil
	}
	if sent && w.memo.Task != "" {
		if out, next, err := w.task(); out != nil || next != "" || err != nil {
			return out, next, err
		}
	}
	if sent && !w.memo.Answered && w.err == nil && w.c.arrived != nil && w.c.arrived(w.seen) {
		w.note(func(m *plan.Memo) { m.Answered = true })
	}
	now, deadline := time.Now(), w.memo.At.Add(w.c.limit)
	if sent && !w.memo.Answered && w.err == nil && now.After(w.memo.At.Add(min(w.a.settle, w.c.limit))) {
		if out := w.trace(); out != nil {
			return out, "", nil
		}
	}
	if now.Before(deadline) || w.err != nil && now.Before(w.later(deadline).Add(w.a.settle)) {
		return nil, "", nil // unreachable just now: an old picture decides nothing
	}
	return w.tooLate()
}

// later is the deadline, but not before this attempt: after a pause of the process it must have had a chance to read.
func (w *wait) later(deadline time.Time) time.Time {
	if w.began.After(deadline) {
		return w.began
	}
	return deadline
}

// tooLate ends a wait whose time is over.
func (w *wait) tooLate() (*plan.Outcome, string, error) {
	if w.err == nil && w.c.late != nil && (w.memo.Answered || !w.memo.Sent()) {
		if next, err := w.c.late(w.quiet(), w.seen, w.memo); next != "" || err != nil {
			return nil, next, err
		}
	}
	switch {
	case !w.memo.Sent() && w.err != nil:
		return nil, "", w.hinted(refuse(fault.State, "nothing could be read for %s: %w", words.Written(w.c.limit), plain(w.err)))
	case !w.memo.Sent():
		return nil, "", w.hinted(refuse(fault.State, "still %s after %s", w.seen.state, words.Written(w.c.limit)))
	case w.err != nil:
		return w.unclear(w.said()+", but what became of it cannot be read: "+w.err.Error(), w.seen.state, false), "", nil //nolint:nilerr // the outcome carries it
	}
	return w.unclear(fmt.Sprintf("%s, but it is still %s after %s", w.said(), w.seen.state, words.Written(w.c.limit)), w.seen.state, w.c.harmless && !w.memo.Answered), "", nil
}

// hinted adds what the verb knows to say of a wait in vain.
func (w *wait) hinted(err error) error {
	if w.c.hint == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.quiet(), readTimeout)
	defer cancel()
	h := w.c.hint(ctx)
	h.error = fmt.Errorf("%w; %s", err, h.Error())
	return h
}

// task asks about the call's task: one that failed says more than a state that doesn't come.
func (w *wait) task() (*plan.Outcome, string, error) {
	ctx, cancel := context.WithTimeout(w.quiet(), readTimeout)
	defer cancel()
	info, err := w.v.tasks.Task(ctx, w.memo.Task)
	if err != nil || info.Err == nil {
		return nil, "", nil // what counts is the object's state; a task may be forgotten
	}
	no := info.Err
	if !saidNo(no) {
		no = fault.As(fault.State, no)
	}
	out, next, err := w.refusal(w.v, w.name, no)
	if next == w.name { // its effect is waited for all the same
		next = ""
	}
	return out, next, err
}

// trace looks for what the call without an answer left behind, when its effect didn't show within the settle time.
func (w *wait) trace() *plan.Outcome {
	evidence := w.seen.state
	if w.c.task != "" {
		found, err := w.v.tasks.TasksSince(w.quiet(), w.v.call.Target.Ref, w.memo.At.Add(-taskWindow))
		if err != nil {
			return nil // looked at again after the next pause
		}
		fresh := slices.DeleteFunc(found, func(i vsphere.TaskInfo) bool {
			return slices.Contains(w.memo.Tasks, i.Ref) || w.c.harmless && !i.Ended.IsZero()
		})
		if i := slices.IndexFunc(fresh, w.ours); i >= 0 {
			w.note(func(m *plan.Memo) { m.Task, m.Answered = fresh[i].Ref, true })
			return nil
		}
		if len(fresh) > 0 && !w.c.harmless {
			return nil // it may be one of those: no proof
		}
		evidence += "; " + w.witness() + " shows no task of it"
	}
	if w.c.task == "" && !w.c.harmless {
		return nil
	}
	return w.unclear(w.said()+", without an answer, and had no effect", evidence, true)
}

// witness is who tells of the tasks.
func (w *wait) witness() string {
	if w.v.call.Target.Direct != "" {
		return "the host"
	}
	return "the vCenter"
}

func (w *wait) ours(i vsphere.TaskInfo) bool {
	return strings.Contains(strings.ToLower(i.Name), strings.ToLower(w.c.task))
}

func (w *wait) said() string {
	return fmt.Sprintf("%s was sent at %s", w.memo.Intent, w.memo.At.UTC().Format("15:04:05"))
}

// plain keeps the text of an error and drops its kind.
func plain(err error) error { return errors.New(err.Error()) }
