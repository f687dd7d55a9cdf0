package iscsi

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// A COMSTARTarget is the target of illumos and Solaris 11.
//
// Nobody has tried nightshift's commands on a real one: what publishing takes is planned to the last command. It is run only where
// unproven is true.
type COMSTARTarget struct {
	run      Runner
	elevate  func(argv []string) []string
	unproven bool
}

// NewCOMSTAR makes the target of a storage host; elevate makes of a command the one that runs with the rights to it.
func NewCOMSTAR(run Runner, elevate func(argv []string) []string, unproven bool) *COMSTARTarget {
	return &COMSTARTarget{run: run, elevate: elevate, unproven: unproven}
}

// comstar is what there is, as its tools tell it.
type comstar struct {
	lus                      []LU
	views                    map[string][]view // by NAA
	hostGroups, targetGroups map[string][]string
	targets                  map[string]*comstarTarget
	portals                  map[string][]string
	initiators               map[string]comstarInitiator
}

// List implements Target.
func (t *COMSTARTarget) List(ctx context.Context) (Listing, error) {
	c, err := t.read(ctx)
	if err != nil {
		return Listing{}, err
	}
	return c.listing(), nil
}

func (t *COMSTARTarget) read(ctx context.Context) (*comstar, error) {
	c := &comstar{views: map[string][]view{}}
	out, err := ask(ctx, t.run, t.elevate([]string{"stmfadm", "list-lu", "-v"}))
	if err != nil {
		return nil, err
	}
	list, err := sections("stmfadm list-lu -v", out, "LU Name")
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		lu, views, err := comstarLU(s)
		if err != nil {
			return nil, err
		}
		c.lus = append(c.lus, lu)
		if views > 0 {
			if out, err = ask(ctx, t.run, t.elevate([]string{"stmfadm", "list-view", "-l", strings.ToUpper(lu.Name)})); err != nil {
				return nil, err
			}
			if c.views[lu.Name], err = parseViews(out); err != nil {
				return nil, err
			}
		}
	}
	return c, t.readTargets(ctx, c)
}

func (t *COMSTARTarget) readTargets(ctx context.Context, c *comstar) error {
	for _, step := range []struct {
		argv []string
		read func(out []byte) error
	}{
		{[]string{"stmfadm", "list-hg", "-v"}, func(out []byte) (err error) {
			c.hostGroups, err = parseGroups("stmfadm list-hg -v", out, "Host Group")
			return err
		}},
		{[]string{"stmfadm", "list-tg", "-v"}, func(out []byte) (err error) {
			c.targetGroups, err = parseGroups("stmfadm list-tg -v", out, "Target Group")
			return err
		}},
		{[]string{"stmfadm", "list-target", "-v"}, func(out []byte) (err error) { c.targets, err = parseTargets(out); return err }},
		{[]string{"itadm", "list-target", "-v"}, func(out []byte) error { return addAuth(out, c.targets) }},
		{[]string{"itadm", "list-tpg", "-v"}, func(out []byte) (err error) { c.portals, err = parsePortals(out); return err }},
		{[]string{"itadm", "list-initiator", "-v"}, func(out []byte) (err error) { c.initiators, err = parseInitiators(out); return err }},
	} {
		out, err := ask(ctx, t.run, t.elevate(step.argv))
		if err != nil {
			return err
		}
		if err := step.read(out); err != nil {
			return err
		}
	}
	return nil
}

// ask runs a command that reads.
func ask(ctx context.Context, run Runner, argv []string) ([]byte, error) {
	res, err := run.Query(ctx, argv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	if res.Status == 0 {
		return res.Stdout, nil
	}
	err = fmt.Errorf("%s: %s", strings.Join(argv, " "), res.Summary())
	switch said := string(res.Stderr); {
	case strings.Contains(said, "permission denied"), strings.Contains(said, "Not authorized"), strings.Contains(said, "requires"):
		return nil, fault.As(fault.Permission, err)
	case res.Status == notFoundStatus, strings.Contains(said, "service not found"), strings.Contains(said, "not found"):
		return nil, fault.As(fault.NotFound, err)
	case strings.Contains(said, "offline"), strings.Contains(said, "busy"):
		return nil, fault.As(fault.State, err)
	}
	return nil, fault.As(fault.Unsupported, err)
}

func (c *comstar) listing() Listing {
	l := Listing{Kind: COMSTAR, Running: true}
	for _, lu := range c.lus {
		for _, v := range c.views[lu.Name] {
			lu.Paths = append(lu.Paths, c.paths(v, lu.State)...)
		}
		for _, p := range lu.Paths {
			if p.Open {
				l.Remarks = append(l.Remarks, fmt.Sprintf("%s shows %s to every initiator", p.Target, lu.Name))
			}
			if p.NoLUN {
				l.Remarks = append(l.Remarks, fmt.Sprintf("%s shows %s under a LUN number that it gave by itself and does not tell", p.Target, lu.Name))
			}
		}
		lu.Saved = true // SMF keeps what stmfadm and itadm do
		l.LUs = append(l.LUs, lu)
	}
	return l
}

// paths are the portal groups of all iSCSI targets through which a view shows its logical unit.
func (c *comstar) paths(v view, state State) []Path {
	names := c.targetGroups[v.targetGroup]
	if v.targetGroup == everybody {
		names = nil
		for name := range c.targets {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	var list []Path
	for _, name := range names {
		t := c.targets[name]
		if t == nil || !t.iscsi {
			continue
		}
		p := Path{Target: name, Group: 1, LUN: v.lun, NoLUN: v.noLUN, Enabled: state == Online && t.state == Online, Open: v.hostGroup == everybody, ACLs: c.acls(v, t)}
		if len(t.groups) == 0 {
			list = append(list, p)
		}
		for _, tag := range tagsOf(t.groups) {
			p.Group, p.Portals = tag, c.portals[t.groups[tag]]
			list = append(list, p)
		}
	}
	return list
}

func (c *comstar) acls(v view, t *comstarTarget) []ACL {
	var list []ACL
	for _, member := range c.hostGroups[v.hostGroup] {
		a := ACL{Initiator: member, LUN: v.lun}
		if i := c.initiators[member]; t.auth == "chap" && i.secret {
			a.CHAP, a.User, a.MutualUser = true, i.user, t.user
		}
		if t.known {
			a.Session = &Session{LoggedIn: t.sessions[member]}
		}
		list = append(list, a)
	}
	return list
}

func tagsOf(groups map[uint16]string) []uint16 {
	var list []uint16
	for tag := range groups {
		list = append(list, tag)
	}
	slices.Sort(list)
	return list
}

// Publish implements Target. Where the lab file does not say that it may be run it is refused, with the commands.
func (t *COMSTARTarget) Publish(ctx context.Context, p Publication) ([]string, error) {
	commands, err := t.Plan(ctx, p)
	if err != nil {
		return nil, err
	}
	return carryOut(ctx, t.run, "publish "+p.Name, commands, t.unproven)
}

// Unpublish implements Target. name is the NAA.
func (t *COMSTARTarget) Unpublish(ctx context.Context, name string, sessions bool) ([]string, error) {
	commands, err := t.PlanUnpublish(ctx, name, sessions)
	if err != nil {
		return nil, err
	}
	return carryOut(ctx, t.run, "unpublish "+name, commands, t.unproven)
}

// A Command is one of a plan.
type Command struct {
	Argv []string
	// Input says what it is given over standard input, in words; empty: nothing.
	Input string

	stdin  string // a secret
	renews bool   // it only gives a secret anew: nobody is told what it was
}

// Line is the command as a person would type it.
func (c Command) Line() string {
	var words []string
	for _, word := range c.Argv {
		if word == "" || strings.ContainsAny(word, " \t\"'`$\\&|;<>()*?[]{}~!#") {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func (c Command) String() string {
	text := c.Line()
	if c.Input != "" {
		text += " <<< " + c.Input
	}
	return text
}

// carryOut runs commands one after the other, and stops at the first that fails.
func carryOut(ctx context.Context, run Runner, what string, commands []Command, allowed bool) ([]string, error) {
	if !allowed {
		var lines []string
		for _, c := range commands {
			lines = append(lines, c.String())
		}
		return nil, fault.As(fault.NotDone, fault.As(fault.State, fmt.Errorf(
			"%s: it is not run, as nobody has tried it on such a target (`unproven: accept` in the lab file allows it); it takes:\n%s", what, strings.Join(lines, "\n"))))
	}
	var done []string
	for _, c := range commands {
		var stdin io.Reader = strings.NewReader(c.stdin)
		res, err := run.Act(ctx, c.Argv, stdin)
		if err != nil {
			return done, fmt.Errorf("%s: %s: %w", what, c, err)
		}
		if res.Status != 0 {
			err := fmt.Errorf("%s: %s: %s", what, c, res.Summary())
			if len(done) == 0 {
				err = fault.As(fault.NotDone, fault.As(fault.State, err))
			}
			return done, err
		}
		done = append(done, c.String())
	}
	return done, nil
}
