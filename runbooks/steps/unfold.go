package steps

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/expr-lang/expr/vm"

	"nightshift/internal/plan"
	"nightshift/internal/yamlfile"
)

// A Concrete step is one that a plan can have: nothing in it is left open.
type Concrete struct {
	ID    string
	Title string // empty: nobody gave it one
	Uses  string // an action; Join for one that only waits
	// With is a pointer to the type of the action's values; nil for Join.
	With      any
	Needs     []string
	OnFailure plan.OnFailure
	Timeout   plan.Duration // 0: not said
	// Group is the block, the runbook or the step that it belongs to, for lists.
	Group string
	// Place is where it is written: "cbt-reset.yaml:12:5".
	Place string
}

// Join is the Uses of a step that only waits for others, so that many edges meet in it.
const Join = joinAction

// A Left is a step that was left out.
type Left struct{ Step, Why string }

// Unfold makes the flat list of a run with these parameters, which were checked, in the lab as it is. An error is a
// *yamlfile.Error: what was written makes no sense with them.
func (l *Library) Unfold(d *Definition, given map[string]string, live Live) ([]Concrete, []Left, error) {
	u := &unfolder{library: l, lab: labFacts{Guests: map[string]Fact{}, Hosts: map[string]Fact{}}, guests: live.Guests(), hosts: live.Hosts(),
		conditions: map[conditionOf]*vm.Program{}}
	for _, f := range u.guests {
		u.lab.Guests[f.Name] = f
	}
	for _, f := range u.hosts {
		u.lab.Hosts[f.Name] = f
	}
	_, err := u.list(d.Steps, level{scope: d.scopeOf(given), field: "steps", group: "Steps"}, nil)
	if err != nil {
		return nil, nil, err
	}
	return u.out, u.left, nil
}

type unfolder struct {
	library       *Library
	lab           labFacts
	guests, hosts []Fact
	out           []Concrete
	left          []Left
	looked        int // how many steps were looked at, also those that are left out
	conditions    map[conditionOf]*vm.Program
}

// A conditionOf is one of a step, where it may name an item or not.
type conditionOf struct {
	step *Step
	item bool
}

// A level is where a list of steps stands.
type level struct {
	scope  scope
	prefix string // of ids
	field  string // of the list, for errors
	group  string
	within int // how many runbooks, one in the other
}

func (lv level) fail(field, text, remedy string) error {
	d := yamlfile.NewDecoder(lv.scope.d.file)
	d.At = lv.scope.d.at
	d.Complain(field, text, remedy)
	return d.Problems[0]
}

// list unfolds steps that stand together. Those that wait for nothing else begin after the steps of after. It answers the
// steps after which all of it is done.
func (u *unfolder) list(list []Step, lv level, after []string) ([]string, error) {
	done, used, before := map[string][]string{}, map[string]bool{}, after
	var ends []string
	for i := range list {
		s := &list[i]
		needs := before
		if s.Needs != nil {
			needs = after
			if len(s.Needs) > 0 {
				needs = nil
			}
			for _, n := range s.Needs {
				needs = union(needs, done[n])
			}
		}
		out, err := u.step(s, lv, fmt.Sprintf("%s[%d]", lv.field, i), needs)
		if err != nil {
			return nil, err
		}
		for _, id := range needs {
			if !slices.Contains(out, id) { // of a step that was left out, what it would have waited for is still an end
				used[id] = true
			}
		}
		done[s.ID], before = out, out
		ends = union(ends, out)
	}
	ends = slices.DeleteFunc(ends, func(id string) bool { return used[id] })
	if len(ends) == 0 {
		ends = after
	}
	return ends, nil
}

func (u *unfolder) step(s *Step, lv level, field string, needs []string) ([]string, error) {
	if s.ForEach == nil {
		return u.item(s, lv, field, s.ID, needs)
	}
	if yes, known := u.decided(s, lv); known && !yes {
		u.left = append(u.left, Left{lv.prefix + s.ID, "its condition does not hold: " + s.When})
		return needs, nil
	}
	items, err := u.items(s.ForEach, lv, field+".foreach")
	if err != nil {
		return nil, err
	}
	batch := s.ForEach.Batch
	if batch == 0 {
		batch = max(1, len(items))
	}
	if len(items) == 0 {
		u.left = append(u.left, Left{lv.prefix + s.ID, "there is nothing that foreach chooses"})
	}
	for part := range slices.Chunk(items, batch) {
		if len(part) > joinFrom && len(needs) > joinFrom {
			needs = []string{u.join(lv, s, needs)}
		}
		var ends []string
		for _, item := range part {
			inner := lv
			inner.scope.item, inner.scope.fact = true, item
			out, err := u.item(s, inner, field, s.ID+":"+item.Name, needs)
			if err != nil {
				return nil, err
			}
			ends = union(ends, out)
		}
		needs = ends
	}
	return needs, nil
}

// decided tells whether the condition of a step with foreach holds, where it is not about its items.
func (u *unfolder) decided(s *Step, lv level) (yes, known bool) {
	if s.When == "" {
		return true, true
	}
	around := lv.scope
	around.item = false // here it is an item of this step's foreach, none of one around it
	yes, err := u.holds(s, around)
	return yes, err == nil // an error: it names the item, or is told for each
}

// holds evaluates the condition of a step. It is compiled once: what it may name has the same types each time.
func (u *unfolder) holds(s *Step, sc scope) (bool, error) {
	env, key := sc.env(u.lab), conditionOf{s, sc.item}
	if u.conditions[key] == nil {
		program, err := condition(s.When, env)
		if err != nil {
			return false, err
		}
		u.conditions[key] = program
	}
	return holds(u.conditions[key], env)
}

func (u *unfolder) join(lv level, s *Step, needs []string) string {
	id := fmt.Sprintf("%s:%s%s:%d", joinAction, lv.prefix, s.ID, len(u.out))
	u.out = append(u.out, Concrete{ID: id, Title: "All before " + lv.prefix + s.ID + " is done", Uses: Join, Needs: needs, Group: lv.group})
	return id
}

// items are what foreach goes through.
func (u *unfolder) items(f *ForEach, lv level, field string) ([]Fact, error) {
	if f.Parameter != "" {
		p, _ := lv.scope.d.parameter(f.Parameter)
		var out []Fact
		for _, name := range words(lv.scope.values[f.Parameter]) {
			fact, known := Fact{Name: name}, false
			switch p.Type {
			case TypeGuest:
				fact, known = u.lab.Guests[name]
			case TypeHost:
				fact, known = u.lab.Hosts[name]
			}
			if !known {
				fact = Fact{Name: name} // its step says that there is none
			}
			if slices.ContainsFunc(out, func(o Fact) bool { return o.Name == name }) {
				return nil, lv.fail(field+".parameter", fmt.Sprintf("parameter %s has %q twice", f.Parameter, name), "")
			}
			out = append(out, fact)
		}
		return out, nil
	}
	all, s, key := u.guests, f.Guests, "guests"
	if f.Hosts != nil {
		all, s, key = u.hosts, f.Hosts, "hosts"
	}
	want := *s
	for name, text := range want.fields() {
		filled, err := fill(*text, lv.scope.value)
		if err != nil {
			return nil, lv.fail(field+"."+key+"."+name, err.Error(), "")
		}
		*text = filled
	}
	var out []Fact
	for _, fact := range all {
		if !want.chooses(fact) {
			continue
		}
		if fact.Kept != "" {
			u.left = append(u.left, Left{fact.Kind + " " + fact.Name, fact.Kept})
			continue
		}
		out = append(out, fact)
	}
	return out, nil
}

func (s Selector) chooses(f Fact) bool {
	if s.Name != "" {
		if ok, err := path.Match(s.Name, f.Name); err != nil || !ok {
			return false
		}
	}
	in := s.Folder == "" || f.Folder == s.Folder || strings.HasPrefix(f.Folder, strings.TrimSuffix(s.Folder, "/")+"/")
	return in && (s.Tag == "" || slices.Contains(f.Tags, s.Tag)) && (s.Cluster == "" || f.Cluster == s.Cluster) &&
		(s.Host == "" || f.Host == s.Host) && (s.Power == "" || f.Power == s.Power)
}

// item unfolds a step for one item, or the one time that there is.
func (u *unfolder) item(s *Step, lv level, field, id string, needs []string) ([]string, error) {
	if u.looked++; u.looked > maxLooked {
		return nil, lv.fail(field, fmt.Sprintf("the runbook goes through more than %d steps, with those that it leaves out", maxLooked), "choose less in foreach, and no foreach in a foreach")
	}
	if s.When != "" {
		yes, err := u.holds(s, lv.scope)
		if err != nil {
			return nil, lv.fail(field+".when", err.Error(), "")
		}
		if !yes {
			u.left = append(u.left, Left{lv.prefix + id, "its condition does not hold: " + s.When})
			return needs, nil
		}
	}
	title, err := fill(s.Title, lv.scope.value)
	if err != nil {
		return nil, lv.fail(field+".title", err.Error(), "")
	}
	inner := lv
	inner.prefix, inner.group = lv.prefix+id+"/", cmp.Or(title, lv.prefix+id)
	switch name, isRunbook := strings.CutPrefix(s.Uses, runbookPrefix); {
	case len(s.Steps) > 0:
		inner.field = field + ".steps"
		return u.list(s.Steps, inner, needs)
	case isRunbook:
		return u.runbook(s, name, inner, field, needs)
	}
	return u.action(s, lv, field, id, title, needs)
}

func (u *unfolder) runbook(s *Step, name string, lv level, field string, needs []string) ([]string, error) {
	d := u.library.defs[name]
	if lv.within++; d == nil || lv.within > maxDepth {
		return nil, lv.fail(field+".uses", fmt.Sprintf("there is no step runbook %q, or runbooks use each other too deep", name), "")
	}
	values, problems := d.callValues(s.With, func(text string) (string, error) { return fill(text, lv.scope.value) })
	if len(problems) > 0 {
		return nil, lv.fail(strings.TrimSuffix(field+".with."+problems[0].field, "."), problems[0].text, problems[0].remedy)
	}
	lv.scope, lv.field = d.scopeOf(values), "steps"
	return u.list(d.Steps, lv, needs)
}

func (u *unfolder) action(s *Step, lv level, field, id, title string, needs []string) ([]string, error) {
	a, _ := actionOf(s.Uses)
	bound, problems := bind(a.With, s.With, func(text string) (string, error) { return fill(text, lv.scope.value) })
	if len(problems) == 0 {
		for _, p := range special(s, bound.Interface()) {
			p.field = strings.TrimPrefix(strings.TrimPrefix(p.field, "with"), ".")
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return nil, lv.fail(strings.TrimSuffix(field+".with."+problems[0].field, "."), problems[0].text, problems[0].remedy)
	}
	if len(u.out) >= maxSteps {
		return nil, lv.fail(field, fmt.Sprintf("the runbook has more than %d steps with what it chooses", maxSteps), "run it in parts")
	}
	place := lv.fail(field, "", "")
	at := ""
	if e, ok := place.(*yamlfile.Error); ok { //nolint:errorlint // fail makes it
		at = fmt.Sprintf("%s:%d:%d", path.Base(e.File), e.Line, e.Column)
	}
	u.out = append(u.out, Concrete{ID: lv.prefix + id, Title: title, Uses: s.Uses, With: bound.Interface(), Needs: slices.Clone(needs),
		OnFailure: s.OnFailure, Timeout: s.Timeout, Group: lv.group, Place: at})
	return []string{lv.prefix + id}, nil
}

// union appends what is not there yet.
func union(a, b []string) []string {
	a = slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}
