package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
	"nightshift/internal/vsphere"
)

// An application is one step on an application cluster. The machines are known by their host keys.
type application struct {
	noTasks
	a       *Activities
	call    plan.Call
	cluster *inventory.ApplicationCluster
	want    inventory.ApplicationState
	argv    []string // the command that brings it about
	limit   time.Duration
	// commands are those of the plan, as inventory.ApplicationCluster.Commands identifies them; empty: not known.
	commands string
	at       []*machine
	told     *machine // who told the last status
}

// StopApplication stops an application cluster as one thing, before its members go down.
func (a *Activities) StopApplication(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.application(ctx, plan.StopApplication, c, inventory.ApplicationStopped)
}

// StartApplication starts it, after its members are up.
func (a *Activities) StartApplication(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.application(ctx, plan.StartApplication, c, inventory.ApplicationUp)
}

func (a *Activities) application(ctx context.Context, op plan.Action, c plan.Call, want inventory.ApplicationState) (plan.Outcome, error) {
	s, err := a.applicationStep(c, want)
	if err != nil {
		return plan.Outcome{}, classify(op, c.Target, err)
	}
	defer s.close()
	send := string(op)
	whole := verb{tasks: s, read: s.read,
		first: func(context.Context, *seen) (string, error) { return send, s.guard() },
		// Neither is harmless to repeat: a second start may come when somebody has stopped it by hand.
		calls: map[string]call{send: {words: fmt.Sprintf("the command `%s` to %s", strings.Join(s.argv, " "), c.Target), limit: s.limit,
			// The services of a member that is up may need a while.
			notYet: func(error) bool { return op == plan.StartApplication },
			send: func(ctx context.Context, _ seen) (string, error) {
				// A tenth less: then its answer counts as lost, and the status alone decides.
				return commandKey(s.call), s.told.send(ctx, commandKey(s.call), s.argv, s.limit-s.limit/10)
			}}},
	}
	return a.act(ctx, verb{op: op, call: c, prepare: func(context.Context) (verb, error) { return whole, s.approved() }})
}

// approved refuses every command, also that for the status, where the lab file has others than the plan was made with: nobody
// has said yes to them.
func (s *application) approved() error {
	if s.commands == "" || s.commands == s.cluster.Commands() {
		return nil
	}
	return changed("the commands for %s, or the machines where they run, are not those of the plan any more: this nightshift was started with "+
		"another lab file. Put that back and restart nightshift, or have it planned anew (`nightshift replan`)", s.call.Target)
}

func (a *Activities) applicationStep(c plan.Call, want inventory.ApplicationState) (*application, error) {
	p, err := params[plan.ApplicationParams](c)
	if err != nil {
		return nil, err
	}
	x, ok := a.lab.ApplicationCluster(p.Application)
	switch {
	case !ok:
		return nil, refuse(fault.Invalid, "application cluster %q is not in the lab file", p.Application)
	case c.Target.Name != p.Application:
		return nil, refuse(fault.Invalid, "its target is %s, and its parameters name application cluster %s", c.Target, p.Application)
	}
	s := &application{a: a, call: c, cluster: x, want: want, argv: x.Stop, limit: time.Duration(p.Timeout), commands: p.Commands}
	if want == inventory.ApplicationUp {
		s.argv = x.Start
	}
	for _, entry := range x.At {
		s.at = append(s.at, &machine{a: a, name: fmt.Sprintf("application cluster %s at %s", x.Name, entry.Address), entry: entry})
	}
	return s, nil
}

func (s *application) close() {
	for _, m := range s.at {
		m.close()
	}
}

// guard refuses clusters with a member that a run must not touch, whatever the plan says.
func (s *application) guard() error {
	for _, name := range s.a.lab.NamedMembers(s.cluster) {
		for _, v := range s.a.lab.VCenters {
			if why := s.a.kept(v.Name, live.Guest{Name: name}); why != "" {
				return refuse(errUnsafe, "its member %s %s: nightshift neither stops nor starts it", name, why)
			}
		}
	}
	return nil
}

// errSilent is the kind of error where no machine of the cluster told its status.
var errSilent = errors.New("no machine answers")

// read runs the status command. A state that is reached while the command still runs may be that of the first member alone.
func (s *application) read(ctx context.Context) (seen, error) {
	state, text, err := s.status(ctx)
	if errors.Is(err, errSilent) && s.want == inventory.ApplicationStopped {
		return s.offWithItsMembers(ctx, err)
	}
	if err != nil {
		return seen{}, err
	}
	got := seen{done: state == s.want, state: fmt.Sprintf("%s (%s)", state, text)}
	if s.running() {
		got.done, got.state = false, got.state+", and the command has not ended"
	}
	return got, nil
}

// status asks the machines in their order until one answers. Unknown is an error: it is neither good nor bad.
func (s *application) status(ctx context.Context) (inventory.ApplicationState, string, error) {
	var silent []string
	for i, m := range s.at {
		res, err := s.ask(ctx, m, len(s.at)-i)
		switch {
		case errors.Is(err, fault.Unreachable):
			silent = append(silent, err.Error())
			continue
		case err != nil:
			return "", "", err
		}
		s.told = m
		text := fmt.Sprintf("`%s` at %s: %s", strings.Join(s.cluster.Status, " "), m.entry.Address, res.Summary())
		state := s.cluster.State(res.Status)
		if state == inventory.ApplicationUnknown {
			err = refuse(fault.Unreachable, "its state is unknown: %s", text)
		}
		return state, text, err
	}
	return "", "", fault.As(errSilent, refuse(fault.Unreachable, "none of its machines answers: %s", strings.Join(silent, "; ")))
}

// ask gives a machine its share of the time, so that one that hangs leaves some to the others.
func (s *application) ask(ctx context.Context, m *machine, left int) (sshexec.Result, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		defer cancel()
	}
	return m.query(ctx, s.cluster.Status)
}

// offWithItsMembers tells whether the vCenter sees all members off: then nothing of the cluster runs.
func (s *application) offWithItsMembers(ctx context.Context, silent error) (seen, error) {
	found := map[string]bool{}
	var on []string
	for _, v := range s.a.lab.VCenters {
		vc, err := s.a.clients.vcenter(ctx, v.Name)
		if err != nil {
			return seen{}, fmt.Errorf("%w; and whether its members are off is not known: %w", silent, err)
		}
		all, err := vc.Inspect(ctx)
		s.a.clients.failed(v.Name, vc, err)
		if err != nil {
			return seen{}, fmt.Errorf("%w; and whether its members are off is not known: %w", silent, err)
		}
		for _, g := range all.Guests {
			if !s.isMember(v.Name, g) {
				continue
			}
			found[g.Name] = true
			if g.Power != live.PoweredOff || g.Connection != "" && g.Connection != live.Connected {
				on = append(on, g.Name)
			}
		}
	}
	for _, name := range s.a.lab.NamedMembers(s.cluster) {
		if !found[name] {
			return seen{}, fmt.Errorf("%w; and no vCenter has its member %s", silent, name)
		}
	}
	if len(on) > 0 || len(found) == 0 {
		return seen{}, fmt.Errorf("%w; and not all its members are off: %s", silent, strings.Join(on, ", "))
	}
	members := make([]string, 0, len(found))
	for name := range found {
		members = append(members, name)
	}
	slices.Sort(members)
	return seen{done: true, state: "down with its members, which are all off: " + strings.Join(members, ", ")}, nil
}

// isMember says so of a guest that was read. Of guests of one name that of the vCenter counts that the lab file names.
func (s *application) isMember(vcenter string, g live.Guest) bool {
	if g.Template || !s.a.lab.IsMember(s.cluster, g.Name, g.Tags) {
		return false
	}
	listed := slices.ContainsFunc(s.a.lab.Guests, func(x inventory.Guest) bool { return x.Name == g.Name })
	_, here := s.a.lab.Guest(vcenter, g.Name, g.UUID)
	return here || !listed
}

// running tells whether the command that this step sent is known not to have ended.
func (s *application) running() bool {
	cmd := s.a.machines.command(commandKey(s.call))
	if cmd == nil {
		return false
	}
	select {
	case <-cmd.Ended():
		return false
	default:
		return true
	}
}

// Task tells how the command ended: with an exit status other than 0, it was refused. Of a command that an earlier
// process sent, or whose answer was lost, nothing is known, and the status decides.
func (s *application) Task(ctx context.Context, ref string) (vsphere.TaskInfo, error) {
	cmd := s.a.machines.command(ref)
	if cmd == nil {
		return vsphere.TaskInfo{}, refuse(fault.NotFound, "the command was sent by another process")
	}
	if s.running() {
		return vsphere.TaskInfo{}, nil
	}
	res, err := cmd.Wait(ctx)
	if err != nil {
		return vsphere.TaskInfo{}, err
	}
	if res.Status != 0 {
		return vsphere.TaskInfo{Err: refuse(fault.State, "%s", res.Summary())}, nil
	}
	return vsphere.TaskInfo{}, nil
}
