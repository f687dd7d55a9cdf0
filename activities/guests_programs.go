package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
	"nightshift/internal/vsphere"
)

// A program is one RunInGuest: it is started through the guest's Tools, and known by its process id from then on.
type program struct {
	guestStep
	noTasks
	w       workshop
	p       plan.GuestCommandParams
	login   vsphere.GuestLogin
	account string // that of the login
	got     live.Guest
	pid     int64
	tried   bool // it was, or may have been, started
	program vsphere.Program
}

// RunInGuest starts a program in a guest and waits for its end.
func (a *Activities) RunInGuest(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	const start = "start"
	return a.act(ctx, verb{op: plan.RunInGuest, call: c, prepare: from(c, func(ctx context.Context, p plan.GuestCommandParams) (verb, error) {
		arguments, err := argumentLine(p.Run, p.Windows)
		if err != nil {
			return verb{}, err
		}
		s, err := a.program(ctx, c, p)
		if err != nil {
			return verb{}, err
		}
		return verb{tasks: s, read: s.look, remark: s.remark,
			first: func(ctx context.Context, _ *seen) (string, error) { return start, s.mayStart(ctx) },
			calls: map[string]call{start: {words: fmt.Sprintf("`%s` in %s", strings.Join(p.Run, " "), c.Target), limit: time.Duration(p.Timeout), harmless: p.Reads,
				send: func(ctx context.Context, _ seen) (string, error) {
					done, err := a.machines.logins.enter(ctx, s.account) // two steps do not send the same wrong password at the same time
					if err != nil {
						return "", notSent{fault.As(fault.Unreachable, err)}
					}
					defer done()
					if err := a.clients.refusedBefore(s.account, "login"); err != nil {
						return "", err
					}
					s.tried = true
					pid, err := s.w.StartProgram(ctx, c.Target.Ref, s.login, p.Run[0], arguments, p.Directory)
					if errors.Is(err, fault.NotDone) {
						s.tried = false
						return "", notSent{err}
					}
					a.clients.remember(s.account, err)
					s.pid = pid
					return pidRef(pid), err
				}}},
		}, nil
	})})
}

func (a *Activities) program(ctx context.Context, c plan.Call, p plan.GuestCommandParams) (*program, error) {
	entry, ok := a.lab.Guest(c.Target.Endpoint, c.Target.Name, c.Target.UUID)
	if !ok || entry.Login == nil {
		return nil, refuse(fault.Invalid, "guest %s has no login: in the lab file", c.Target.Name)
	}
	secret, err := entry.Login.Password.Resolve(ctx, a.lab.Dir)
	if err != nil {
		return nil, err
	}
	g, err := a.guestStep(ctx, c)
	if err != nil {
		return nil, err
	}
	w, err := a.workshop(ctx, c.Target)
	s := &program{guestStep: g, w: w, p: p, login: vsphere.GuestLogin{User: entry.Login.User, Password: secret},
		account: a.clients.accountOf(where(c.Target, entry.Login.User), entry.Login.User, secret.Reveal())}
	memo := c.Memo
	if activity.HasHeartbeatDetails(ctx) {
		var m plan.Memo
		if activity.GetHeartbeatDetails(ctx, &m) != nil {
			s.tried = true // what it was is not known
		} else {
			memo = &m
		}
	}
	if memo.Sent() {
		s.tried, s.pid = true, pidOf(memo.Task)
	}
	return s, err
}

// where is what knows the account: one of a domain is the same in all guests, and is locked in all of them.
func where(t plan.Target, user string) string {
	if strings.ContainsAny(user, `\@`) {
		return "domain"
	}
	return "guest " + t.Endpoint + "/" + t.Ref
}

func pidRef(pid int64) string { return "process " + strconv.FormatInt(pid, 10) }

func pidOf(ref string) int64 {
	pid, err := strconv.ParseInt(strings.TrimPrefix(ref, "process "), 10, 64)
	if err != nil { // there is none
		return 0
	}
	return pid
}

// look reads the program that was started. Of one whose process id is not known nobody can tell how it ended.
func (s *program) look(ctx context.Context) (seen, error) {
	var err error
	if s.got, err = s.read(ctx); err != nil {
		return seen{}, err
	}
	switch {
	case s.pid == 0 && s.tried && s.p.Reads:
		return seen{state: "started, and its answer was lost"}, nil
	case s.pid == 0 && s.tried:
		return seen{}, refuse(fault.State, "how the program ended is not known: the answer to its start was lost")
	case s.pid == 0:
		return seen{state: "not started yet"}, nil
	}
	if err := s.a.clients.refusedBefore(s.account, "login"); err != nil {
		return seen{}, err
	}
	s.program, err = s.w.Program(ctx, s.call.Target.Ref, s.login, s.pid)
	s.a.clients.remember(s.account, err)
	if errors.Is(err, fault.NotFound) {
		return seen{}, refuse(fault.State, "how the program ended is not known: the guest does not remember process %d any more", s.pid)
	}
	if err != nil {
		return seen{}, err
	}
	if !s.program.Ended {
		return seen{state: fmt.Sprintf("running (process %d)", s.pid)}, nil
	}
	return seen{done: s.success(), state: fmt.Sprintf("ended with exit status %d", s.program.Status)}, nil
}

func (s *program) success() bool {
	return len(s.p.Success) == 0 && s.program.Status == 0 || slices.Contains(s.p.Success, s.program.Status)
}

func (s *program) remark() string { return fmt.Sprintf("exit status %d", s.program.Status) }

// mayStart refuses guests that are left alone, and those whose Tools could not start anything.
func (s *program) mayStart(ctx context.Context) error {
	if !s.p.Reads {
		if why := s.a.kept(s.call.Target.Endpoint, s.got); why != "" {
			return refuse(errUnsafe, "guest %s %s: nightshift does not change it", s.got.Name, why)
		}
		if err := s.stillUntagged(ctx, &s.got); err != nil {
			return err
		}
	}
	if s.got.Power != live.PoweredOn || !s.got.Tools {
		return refuse(fault.State, "it is %s: VMware Tools have to run in it", guestState(s.got))
	}
	return nil
}

// Task tells how the program ended: with an exit status that is no success, it was refused.
func (s *program) Task(ctx context.Context, _ string) (vsphere.TaskInfo, error) {
	if !s.program.Ended || s.success() {
		return vsphere.TaskInfo{}, ctx.Err()
	}
	return vsphere.TaskInfo{Err: refuse(fault.State, "it ended with exit status %d", s.program.Status)}, nil
}

// argumentLine is what follows the program on its command line, so that the program gets the words that were given, and
// nothing else reads them: VMware Tools start programs by a shell on Linux, and Windows programs split the line themselves.
func argumentLine(run []string, windows bool) (string, error) {
	if windows {
		words := make([]string, 0, len(run))
		for _, w := range run[1:] {
			if strings.ContainsRune(w, 0) {
				return "", refuse(fault.Invalid, "an argument holds a NUL byte")
			}
			words = append(words, windowsWord(w))
		}
		return strings.Join(words, " "), nil
	}
	line, err := sshexec.Quote(run)
	if err != nil {
		return "", err
	}
	program, err := sshexec.Quote(run[:1])
	return strings.TrimPrefix(strings.TrimPrefix(line, program), " "), err
}

// windowsWord quotes an argument as CommandLineToArgvW reads it: backslashes count only before a quote.
func windowsWord(w string) string {
	if w != "" && !strings.ContainsAny(w, " \t\n\v\"") {
		return w
	}
	var b strings.Builder
	b.WriteByte('"')
	slashes := 0
	for i := range len(w) {
		switch w[i] {
		case '\\':
			slashes++
		case '"':
			b.WriteString(strings.Repeat(`\`, slashes+1)) // those before it were written once already
			slashes = 0
		default:
			slashes = 0
		}
		b.WriteByte(w[i])
	}
	b.WriteString(strings.Repeat(`\`, slashes))
	b.WriteByte('"')
	return b.String()
}
