package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
)

// A verb is one action on one object, in the shape that act gives to all of them:
//
//	read -> already there? done, nothing is sent -> write the intent down -> send one call -> wait for the wanted state
//
// An attempt that starts with a memo never sends the call of the memo again: it waits for its effect. A verb that knows
// a harsher way has several calls; each has an intent of its own and is sent at most once per decision.
type verb struct {
	op   plan.Action
	call plan.Call
	// prepare makes the rest of the verb where that takes a login: a vCenter that hangs takes longer for it than the server
	// waits for a heartbeat, so the attempt beats by then. May be nil.
	prepare func(context.Context) (verb, error)
	// nothing says why there is nothing to do: then no other field counts.
	nothing string
	// read reads the object, and changes nothing.
	read func(context.Context) (seen, error)
	// first chooses the call to begin with. "": there is none to send, only something to wait for. An error refuses the
	// step before anything is sent.
	first func(context.Context, *seen) (string, error)
	// owe writes down, before the first intent, what will have to be given back. May be nil.
	owe func(context.Context, seen) error
	// calls by the name that plan.Memo.Phase gets; "" is the wait without a call.
	calls map[string]call
	// unasked looks twice at a wanted state that this step did not bring about; an error keeps it from being done. May be nil.
	unasked func(context.Context) error
	// finish runs when the wanted state was read. May run again. May be nil.
	finish func(context.Context, seen) error
	// remark is what there is to say beside the state when the step is done; "": nothing. May be nil.
	remark func() string
	tasks  taskSystem // nil where no vCenter task tells about the call
	bare   bool       // the wait does not begin with a call: CheckGuest and the like
}

// seen is what one read of the object told.
type seen struct {
	done  bool
	state string // in a person's words: "powered on, Tools running"
	// guests of the host are all off, as read just now; for the calls that need it.
	guestsOff bool
	progress  *plan.Progress // of a stream that is under way
}

// A call is one request that changes the world.
type call struct {
	words string        // "the shutdown of guest web01"
	limit time.Duration // how long its effect may take
	send  func(context.Context, seen) (task string, err error)
	// harmless: sending it twice does no more than sending it once.
	harmless bool
	// task is part of the name of the vCenter task that the call makes ("powerOff"); empty: it makes none.
	task string
	// arrived tells from what was read that the call, of which no answer came, did arrive. May be nil.
	arrived func(seen) bool
	// refused is asked what to do when the system said no; late, when the call was accepted and its effect didn't come
	// in time. They answer the next call (refused also the same one: its effect is waited for all the same), or the error
	// that the step ends with. Where nil: it ends.
	refused func(ctx context.Context, err error) (next string, _ error)
	// notYet tells of a no that comes of something that is not ready yet. Where the state was read and is not the wanted one,
	// the call had no effect, and to send it again after a while is a decision. nil: there is no such no.
	notYet func(no error) bool
	// hint says, when the time of a wait without a call is over, what a person should know and look at. May be nil.
	hint func(context.Context) advice
	late func(ctx context.Context, s seen, m plan.Memo) (next string, _ error)
	// carry keeps going what takes as long as this process carries it, such as a stream: it is asked after each look that does not
	// show the wanted state. To go on where it broke off is the same decision; each time, fence is called before, and where that fails
	// another attempt has the step. What it answers is closed when it is worth another look before the next is due. An error ends the
	// step. nil: the system does by itself what it was told.
	carry func(fence func() error) (news <-chan struct{}, _ error)
}

// Time-outs of single requests. A BMC may need 40 s for an answer; a worker that stops waits for a minute.
const (
	readTimeout = 50 * time.Second
	sendTimeout = 50 * time.Second
)

// notSent wraps what went wrong before a call was on the wire.
type notSent struct{ error }

func (n notSent) Unwrap() error { return n.error }

// turnedAway wraps the answer that a call had no effect because the system is not ready: it was on the wire, so that to
// send it again is a decision.
type turnedAway struct{ error }

func (t turnedAway) Unwrap() error { return t.error }

// otherwise wraps why the lab is not as it was planned: where nothing was sent, the step asks for a new plan of what is left.
type otherwise struct{ error }

func (o otherwise) Unwrap() error { return o.error }

// changed makes such an error.
func changed(format string, args ...any) error {
	return otherwise{refuse(fault.State, format, args...)}
}

// act carries the verb out.
func (a *Activities) act(ctx context.Context, v verb) (plan.Outcome, error) {
	t, err := a.attempt(ctx, v.call)
	if err != nil {
		return plan.Outcome{}, classify(v.op, v.call.Target, err)
	}
	defer t.end()
	out, err := t.perform(v)
	if errors.Is(err, errLeave) && t.leftBehind() {
		return plan.Outcome{}, activity.ErrResultPending
	}
	if errors.Is(err, errLeave) || transient(err) && t.asked() { // an activity that is to be cancelled is not tried again
		memo := t.memo
		out, err = plan.Outcome{Yield: &memo, Acted: memo.Sent()}, nil
	}
	if other := (otherwise{}); errors.As(err, &other) && !t.memo.Sent() {
		out, err = plan.Outcome{Replan: other.Error()}, nil
	}
	err = classify(v.op, v.call.Target, err)
	if err != nil && !t.memo.Sent() {
		err = sentNothing(err)
	}
	return out, err
}

// transient tells whether Temporal is to try again after the error.
func transient(err error) bool {
	app, ok := classify("", plan.Target{}, err).(*temporal.ApplicationError) //nolint:errorlint // classify makes it
	return ok && app.Type() == Transient
}

// prepared is the whole verb. What it takes may be cut off: nothing was sent.
func (t *attempt) prepared(v verb) (verb, error) {
	if v.prepare == nil {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, readTimeout)
	defer cancel()
	whole, err := v.prepare(ctx)
	whole.op, whole.call = v.op, v.call
	return whole, err
}

func (t *attempt) perform(v verb) (plan.Outcome, error) {
	v, err := t.prepared(v)
	if err != nil || v.nothing != "" {
		return plan.Outcome{Note: v.nothing}, err
	}
	name := t.memo.Phase
	if !t.memo.Sent() {
		s, err := t.look(v)
		if err != nil {
			if v.bare && errors.Is(err, fault.Unreachable) {
				return t.watchAll(v, "")
			}
			return plan.Outcome{}, err
		}
		if s.done {
			return t.done(v, s, "was already ")
		}
		if name, err = v.first(t.quiet(), &s); err != nil {
			return plan.Outcome{}, err
		}
		if v.owe != nil {
			if err := v.owe(t.quiet(), s); err != nil {
				return plan.Outcome{}, err
			}
		}
		if name != "" {
			out, next, err := t.dispatch(v, name, s)
			if out != nil || err != nil {
				return deref(out), err
			}
			name = next
		}
	}
	return t.watchAll(v, name)
}

// watchAll waits for the effect of a call, and goes on to the next one as long as the verb knows one.
func (t *attempt) watchAll(v verb, name string) (plan.Outcome, error) {
	for {
		out, next, s, err := t.watch(v, name)
		if out != nil || err != nil {
			return deref(out), err
		}
		if out, next, err = t.dispatch(v, next, s); out != nil || err != nil {
			return deref(out), err
		}
		name = next
	}
}

func deref(o *plan.Outcome) plan.Outcome {
	if o == nil {
		return plan.Outcome{}
	}
	return *o
}

// dispatch sends the call, or, where the system says no, the one that the verb knows instead. It answers the name of
// the call whose effect is to be waited for.
func (t *attempt) dispatch(v verb, name string, s seen) (*plan.Outcome, string, error) {
	before := t.memo // whoever says no has done nothing, so that it holds for the next call, too
	for {
		if err := t.intend(v, name, s); err != nil {
			return nil, "", err
		}
		no := t.send(v, name, s)
		if no == nil {
			return nil, name, nil
		}
		if away := (turnedAway{}); errors.As(no, &away) {
			if t.pause(t.a.settle, nil) {
				return nil, "", errLeave
			}
			return t.unclear(v.calls[name].words+" was turned away: "+no.Error(), s.state, true), "", nil
		}
		if unsent := (notSent{}); errors.As(no, &unsent) && !saidNo(no) {
			out, err := t.takeBack(before, v.calls[name].words+" could not be sent: "+no.Error(), s)
			return out, "", err
		}
		out, next, err := t.refusal(v, name, no)
		if out != nil || err != nil {
			return out, "", err
		}
		if next == name {
			return nil, name, nil
		}
		name = next
	}
}

// takeBack strikes out the intent of a call that was not on the wire, so that the next attempt may send it. Where nobody
// heard of that, the intent stands, and an attempt that finds it only looks.
func (t *attempt) takeBack(before plan.Memo, what string, s seen) (*plan.Outcome, error) {
	switch err := t.record(before); {
	case errors.Is(err, errLeave):
		t.mu.Lock()
		t.memo = before
		t.mu.Unlock()
		return nil, err
	case err != nil:
		return t.unclear(what, s.state, true), nil //nolint:nilerr // it says less than what
	}
	return nil, refuse(fault.Unreachable, "%s", what)
}

// intend writes down that the call is about to be sent. An error means that it must not be.
func (t *attempt) intend(v verb, name string, s seen) error {
	c := v.calls[name]
	if t.leaving() {
		return errLeave
	}
	m := plan.Memo{Intent: c.words, Phase: name, At: time.Now().UTC(), Earlier: t.memo.Earlier, GuestsOff: t.memo.GuestsOff}
	if t.memo.Sent() {
		m.Earlier = append(slices.Clone(m.Earlier), t.memo.Intent)
	}
	if s.guestsOff {
		m.GuestsOff = m.At
	}
	if c.task != "" && !c.harmless {
		before, err := v.tasks.TasksSince(t.quiet(), v.call.Target.Ref, m.At.Add(-taskWindow))
		if err != nil {
			return err
		}
		for _, known := range before {
			m.Tasks = append(m.Tasks, known.Ref)
		}
	}
	return t.record(m)
}

// send sends the call: once. nil also where the answer got lost: then its effect is waited for. An error is a no, a
// notSent or a turnedAway.
func (t *attempt) send(v verb, name string, s seen) error {
	// What is on the wire is not cut off by a yield or by the end of the process: its answer would be lost.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), sendTimeout)
	defer cancel()
	task, err := v.calls[name].send(ctx, s)
	unsent, away := notSent{}, turnedAway{}
	switch {
	case err == nil:
		t.note(func(m *plan.Memo) { m.Task, m.Answered = task, true })
		return nil
	case saidNo(err), v.calls[name].passing(err) && errors.Is(err, fault.TurnedAway):
		return err
	case errors.As(err, &unsent):
		return unsent
	case errors.As(err, &away):
		return away
	}
	t.a.log.Warn("the answer to a call was lost", "run", v.call.Run, "runbook", v.call.Runbook, "step", v.call.Step, "target", v.call.Target.String(), "call", t.memo.Intent, "error", err)
	return nil
}

// saidNo tells whether the system answered, and refused.
func saidNo(err error) bool {
	for _, kind := range []error{fault.State, fault.Permission, fault.Unsupported, fault.NotFound, fault.Invalid, fault.Auth, fault.Identity, errUnsafe} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// passing tells whether the no may be another answer after a while.
func (c call) passing(no error) bool { return c.notYet != nil && c.notYet(no) }

// refusal decides what comes after a no: the state may be there already, or the verb knows another call.
func (t *attempt) refusal(v verb, name string, no error) (*plan.Outcome, string, error) {
	s, err := t.look(v)
	if err == nil && s.done {
		out, err := t.done(v, s, "")
		return &out, "", err
	}
	c := v.calls[name]
	if c.passing(no) {
		other := otherwise{}
		switch {
		case errors.Is(err, fault.Unreachable): // as long as it cannot be seen, nobody knows whether it had an effect
			return nil, name, nil
		case err == nil, errors.As(err, &other):
			if t.pause(t.a.settle, nil) {
				return nil, "", errLeave
			}
			return t.unclear(c.words+" was refused: "+no.Error(), s.state, true), "", nil
		}
	}
	if c.refused == nil {
		return nil, "", fmt.Errorf("%s was refused: %w", c.words, no)
	}
	next, err := c.refused(t.quiet(), no)
	return nil, next, err
}

// look reads the object with a time-out. A yield doesn't cut it off.
func (t *attempt) look(v verb) (seen, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), readTimeout)
	defer cancel()
	return v.read(ctx)
}

// quiet is the context for the short requests between: a yield doesn't cut them off.
func (t *attempt) quiet() context.Context { return context.WithoutCancel(t.ctx) }

func (t *attempt) done(v verb, s seen, note string) (plan.Outcome, error) {
	if v.unasked != nil && !t.memo.Sent() {
		if err := v.unasked(t.quiet()); err != nil {
			return plan.Outcome{}, err
		}
	}
	if v.finish != nil {
		if err := v.finish(t.quiet(), s); err != nil {
			return plan.Outcome{}, err
		}
	}
	out := plan.Outcome{Evidence: s.state, Acted: t.memo.Sent()}
	if note != "" && !v.bare {
		out.Note = note + s.state
	}
	if n := len(t.memo.Earlier); n > 0 && out.Note == "" { // a plug that was pulled is to be read in the report
		out.Note = t.memo.Intent + " was sent, as " + t.memo.Earlier[n-1] + " had no effect"
	}
	if v.remark != nil {
		out.Note = strings.Join(slices.DeleteFunc([]string{out.Note, v.remark()}, func(s string) bool { return s == "" }), "; ")
	}
	return out, nil
}

func (t *attempt) unclear(what, evidence string, neverArrived bool) *plan.Outcome {
	return &plan.Outcome{Acted: true, Unclear: &plan.Unclear{What: what, Evidence: evidence, NeverArrived: neverArrived, Memo: t.memo}}
}
