package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
	"nightshift/internal/vsphere"
)

// A command is one RunCommand that changes something: nobody can read from the machine whether it was carried out, so that
// after a lost answer a person has to look.
type command struct {
	noTasks
	a       *Activities
	call    plan.Call
	p       plan.CommandParams
	machine *machine
	sent    bool // by this attempt
	earlier bool // an attempt before this one may have sent it
	result  sshexec.Result
}

// RunCommand runs a command of a step runbook on a machine over SSH.
func (a *Activities) RunCommand(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	k, err := a.command(ctx, c)
	if err != nil {
		return plan.Outcome{}, classify(plan.RunCommand, c.Target, err)
	}
	defer k.machine.close()
	if k.p.Reads {
		return a.act(ctx, k.reading())
	}
	const send = "run"
	return a.act(ctx, verb{op: plan.RunCommand, call: c, tasks: k, read: k.read, remark: func() string { return k.result.Summary() },
		first: func(context.Context, *seen) (string, error) { return send, nil },
		calls: map[string]call{send: {words: fmt.Sprintf("the command `%s` to %s", strings.Join(k.p.Run, " "), c.Target), limit: time.Duration(k.p.Timeout),
			send: func(ctx context.Context, _ seen) (string, error) {
				err := k.machine.send(ctx, commandKey(k.call), k.p.Run, time.Duration(k.p.Timeout))
				k.sent = !errors.As(err, new(notSent))
				return commandKey(k.call), err
			}}},
	})
}

func (a *Activities) command(ctx context.Context, c plan.Call) (*command, error) {
	p, err := params[plan.CommandParams](c)
	if err != nil {
		return nil, err
	}
	entry, what, ok := a.lab.SSHMachine(p.Machine)
	switch {
	case !ok:
		return nil, refuse(fault.Invalid, "the lab file has no machine %q that is reached over SSH", p.Machine)
	case c.Target.Name != p.Machine:
		return nil, refuse(fault.Invalid, "its target is %s, and its parameters name machine %s", c.Target, p.Machine)
	}
	if h, ok := a.lab.Host(p.Machine); ok && h.Keep && !p.Reads {
		return nil, refuse(errUnsafe, "host %s is kept by the lab file", h.Name)
	}
	return &command{a: a, earlier: activity.HasHeartbeatDetails(ctx) && earlierIntent(ctx), call: c, p: p, machine: &machine{a: a, name: what + " at " + entry.Address, entry: entry}}, nil
}

// earlierIntent tells whether an earlier attempt of this activity has written down that it was about to send its call.
func earlierIntent(ctx context.Context) bool {
	var m plan.Memo
	return activity.GetHeartbeatDetails(ctx, &m) != nil || m.Sent() // what cannot be read may be an intent
}

func (k *command) success(status int) bool {
	return len(k.p.Success) == 0 && status == 0 || slices.Contains(k.p.Success, status)
}

// reading is a command that changes nothing: once, and again where its answer was lost.
func (k *command) reading() verb {
	limit := time.Duration(k.p.Timeout)
	return verb{op: plan.RunCommand, call: k.call, bare: true, remark: func() string { return k.result.Summary() },
		read:  k.query,
		first: func(context.Context, *seen) (string, error) { return "", nil },
		calls: map[string]call{"": {limit: limit}}}
}

// query is not cut off by the time-out of a look at something, but by its own.
func (k *command) query(ctx context.Context) (seen, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(k.p.Timeout))
	defer cancel()
	res, err := k.machine.query(ctx, k.p.Run)
	if err != nil {
		return seen{}, err
	}
	k.result = res
	if !k.success(res.Status) {
		return seen{}, refuse(fault.State, "`%s` ended with %s", strings.Join(k.p.Run, " "), res.Summary())
	}
	return seen{done: true, state: res.Summary()}, nil
}

// read looks at the command that this process has sent. Of one that another process sent, or whose connection broke,
// nobody knows how it ended.
func (k *command) read(ctx context.Context) (seen, error) {
	cmd := k.a.machines.command(commandKey(k.call))
	if cmd == nil {
		switch {
		case k.sent:
			return seen{}, k.unknown(errors.New("the connection broke when it was sent"))
		case k.call.Memo.Sent() || k.earlier:
			return seen{}, k.unknown(errors.New("nightshift was restarted while it ran"))
		}
		return seen{state: "not run yet"}, nil
	}
	select {
	case <-cmd.Ended():
	default:
		return seen{state: "running"}, nil
	}
	res, err := cmd.Wait(context.WithoutCancel(ctx)) // it has ended: a step that is called back still takes its result
	if err != nil {
		return seen{}, k.unknown(err)
	}
	k.result = res
	return seen{done: k.success(res.Status), state: res.Summary()}, nil
}

func (k *command) unknown(why error) error {
	return refuse(fault.State, "how the command ended is not known: %w", plain(why))
}

// Task tells how the command ended: with an exit status that is no success, it was refused.
func (k *command) Task(ctx context.Context, ref string) (vsphere.TaskInfo, error) {
	cmd := k.a.machines.command(ref)
	if cmd == nil {
		return vsphere.TaskInfo{}, refuse(fault.NotFound, "the command was sent by another process")
	}
	s, err := k.read(ctx)
	if err != nil || s.done || s.state == "running" {
		return vsphere.TaskInfo{}, err
	}
	return vsphere.TaskInfo{Err: refuse(fault.State, "%s", s.state)}, nil
}
