package steps

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"nightshift/internal/yamlfile"
)

var runbookFile = yamlfile.Kind{Noun: "runbook", Example: "see `nightshift runbook new NAME`"}

// Extension of the files of step runbooks.
const Extension = ".yaml"

var (
	runbookName   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,49}$`)
	parameterName = regexp.MustCompile(`^[a-z][A-Za-z0-9]{0,39}$`)
	stepID        = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,49}$`)
)

// reservedSteps are ids that nightshift gives to steps of its own.
var reservedSteps = []string{"mark-lab", "unmark-lab", "join", "settle"}

// reservedNames are words of conditions.
func reservedNames() []string {
	return append([]string{"item", "lab", "true", "false", "nil", "in", "not", "and", "or", "let", "matches", "contains", "startsWith", "endsWith"}, builtins...)
}

// Parse reads the definition of a step runbook. The name of the file stands in errors, and without its extension it is the
// runbook's. What is wrong is a yamlfile.Errors. What the file needs of other runbooks is not looked at: see Library.
func Parse(file string, data []byte) (*Definition, error) {
	m, e := runbookFile.Parse(file, data)
	if e != nil {
		return nil, yamlfile.AsError([]*yamlfile.Error{e})
	}
	d := &Definition{file: file, data: data}
	dec := yamlfile.NewDecoder(file)
	dec.Decode(m, d)
	d.at = dec.At
	c := &checker{Decoder: dec, d: d}
	c.check()
	return d, yamlfile.AsError(dec.Problems)
}

// A checker finds what is wrong with a definition beyond the types of its values.
type checker struct {
	*yamlfile.Decoder
	d *Definition
}

func (c *checker) has(field string) bool { return c.At[field] != nil }

func (c *checker) check() {
	base := strings.TrimSuffix(path.Base(strings.ReplaceAll(c.File, `\`, "/")), Extension)
	switch name := c.d.Name; {
	case !c.has("name"):
	case !runbookName.MatchString(name):
		c.Complain("name", fmt.Sprintf("%q is no name for a runbook", name), "lower-case letters, digits and dashes, at most 50, with a letter first")
	case name != base:
		c.Complain("name", fmt.Sprintf("the runbook is called %s, and its file %s", name, path.Base(c.File)), "call the file "+name+Extension)
	}
	if c.has("description") && strings.TrimSpace(c.d.Description) == "" {
		c.Complain("description", "the description is empty", "say in a line what it does")
	}
	c.parameters()
	if c.has("steps") && len(c.d.Steps) == 0 {
		c.Complain("steps", "there is no step", "list at least one")
	}
	c.list("steps", c.d.Steps, false, 1)
}

func (c *checker) parameters() {
	seen := map[string]bool{}
	for i := range c.d.Parameters {
		p, at := &c.d.Parameters[i], fmt.Sprintf("parameters[%d]", i)
		switch {
		case !c.has(at + ".name"):
		case !parameterName.MatchString(p.Name):
			c.Complain(at+".name", fmt.Sprintf("%q is no name for a parameter", p.Name), "a lower-case letter, then letters and digits: backupHost")
		case slices.Contains(reservedNames(), p.Name):
			c.Complain(at+".name", fmt.Sprintf("%q is a word of conditions", p.Name), "choose another name")
		case seen[p.Name]:
			c.Complain(at+".name", fmt.Sprintf("the parameter %q is here twice", p.Name), "")
		}
		seen[p.Name] = true
		c.parameter(at, p)
	}
}

func (c *checker) parameter(at string, p *Parameter) {
	if (p.Type == TypeChoice) != (len(p.Choices) > 0) && c.has(at+".type") && !c.Unread[at+".type"] {
		c.Complain(at, "choices go with the type choice, and the type choice with choices", "")
	}
	if p.Pattern != "" {
		if _, err := p.pattern(); err != nil {
			c.Complain(at+".pattern", "it is no regular expression: "+err.Error(), "")
		} else if p.Type != TypeString {
			c.Complain(at+".pattern", "a pattern goes with the type string", "")
		}
	}
	if p.Default == nil {
		return
	}
	if p.Required {
		c.Complain(at+".default", "a parameter that is required has no default", "remove one of the two")
	}
	if text, err := p.defaultText(); err != nil {
		c.Complain(at+".default", err.Error(), "")
	} else if why := p.reject(text); why != "" {
		c.Complain(at+".default", why, "")
	}
}

// list checks steps that stand together. item: they are done for each of many things.
func (c *checker) list(field string, steps []Step, item bool, depth int) {
	if depth > maxDepth {
		c.Complain(field, "blocks in blocks, too deep", "make a runbook of the inner ones")
		return
	}
	var before []string
	for i := range steps {
		s, at := &steps[i], fmt.Sprintf("%s[%d]", field, i)
		switch {
		case !c.has(at + ".id"):
		case !stepID.MatchString(s.ID):
			c.Complain(at+".id", fmt.Sprintf("%q is no id for a step", s.ID), "lower-case letters, digits and dashes, at most 50")
		case slices.Contains(reservedSteps, s.ID):
			c.Complain(at+".id", fmt.Sprintf("nightshift itself has steps that are called %q", s.ID), "choose another id")
		case slices.Contains(before, s.ID):
			c.Complain(at+".id", fmt.Sprintf("the step %q is here twice", s.ID), "")
		}
		c.needs(at, s, before)
		before = append(before, s.ID)
		c.step(at, s, item, depth)
	}
}

func (c *checker) needs(at string, s *Step, before []string) {
	for k, need := range s.Needs {
		if !slices.Contains(before, need) {
			c.Complain(fmt.Sprintf("%s.needs[%d]", at, k), fmt.Sprintf("no step %q stands before this one in its list", need), yamlfile.Allowed(need, before))
		}
	}
}

func (c *checker) step(at string, s *Step, item bool, depth int) {
	if s.ForEach != nil {
		c.forEach(at+".foreach", s.ForEach, item)
		item = true
	}
	sc := scope{d: c.d, item: item}
	c.template(at+".title", s.Title, sc)
	if s.When != "" {
		if _, err := condition(s.When, sc.types()); err != nil {
			c.Complain(at+".when", err.Error(), "")
		}
	}
	switch {
	case (s.Uses == "") == (len(s.Steps) == 0):
		c.Complain(at, "a step has either uses or steps", "uses: "+strings.Join(actionNames()[:3], ", ")+", …")
	case len(s.Steps) > 0:
		for key, given := range map[string]bool{"with": s.With != nil, "timeout": s.Timeout != 0, "onFailure": s.OnFailure != ""} {
			if given {
				c.Complain(at+"."+key, "a block of steps has no "+key, "say it at its steps")
			}
		}
		c.list(at+".steps", s.Steps, item, depth+1)
	default:
		c.uses(at, s, sc)
	}
}

func (c *checker) uses(at string, s *Step, sc scope) {
	if name, ok := strings.CutPrefix(s.Uses, runbookPrefix); ok {
		if !runbookName.MatchString(name) {
			c.Complain(at+".uses", fmt.Sprintf("%q is no name of a runbook", name), "runbook/NAME")
		}
		if s.Timeout != 0 {
			c.Complain(at+".timeout", "a runbook has no time-out", "say it at its steps")
		}
		c.templates(at+".with", s.With, sc)
		return
	}
	a, ok := actionOf(s.Uses)
	if !ok {
		c.Complain(at+".uses", fmt.Sprintf("there is no action %q", s.Uses), yamlfile.Allowed(s.Uses, append(actionNames(), runbookPrefix+"NAME")))
		return
	}
	if s.Timeout != 0 && !a.Timed {
		c.Complain(at+".timeout", a.Name+" takes no time-out", "how long it may take is a policy of the lab file")
	}
	with := s.With
	if t, ok := a.With.FieldByName("Script"); ok && t.Tag.Get("template") == "no" {
		with = maps.Clone(with)
		delete(with, "script")
	}
	c.templates(at+".with", with, sc)
	bound, problems := bind(a.With, s.With, nil)
	for _, p := range problems {
		c.Complain(strings.TrimSuffix(at+".with."+p.field, "."), p.text, p.remedy)
	}
	if len(problems) > 0 {
		return
	}
	for _, p := range special(s, bound.Interface()) {
		c.Complain(strings.TrimSuffix(at+"."+p.field, "."), p.text, p.remedy)
	}
}

func (c *checker) templates(at string, with map[string]any, sc scope) {
	eachText(with, "", func(field, text string) { c.template(at+"."+field, text, sc) })
}

func (c *checker) template(field, text string, sc scope) {
	if _, err := fill(text, sc.known); err != nil {
		c.Complain(field, err.Error(), "")
	}
}

func (c *checker) forEach(at string, f *ForEach, item bool) {
	ways := 0
	for _, given := range []bool{f.Parameter != "", f.Guests != nil, f.Hosts != nil} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		c.Complain(at, "it is not said for each of what", "exactly one of: parameter: NAME, guests: {…}, hosts: {…}")
	}
	if c.has(at+".batch") && f.Batch < 1 {
		c.Complain(at+".batch", "a batch has at least one", "1 for one after the other")
	}
	if f.Parameter != "" {
		var lists []string
		for _, p := range c.d.Parameters {
			if p.List {
				lists = append(lists, p.Name)
			}
		}
		if !slices.Contains(lists, f.Parameter) {
			c.Complain(at+".parameter", fmt.Sprintf("there is no parameter %q with list: true", f.Parameter), yamlfile.Allowed(f.Parameter, lists))
		}
	}
	for key, s := range map[string]*Selector{"guests": f.Guests, "hosts": f.Hosts} {
		if s != nil {
			c.selector(at+"."+key, key, s, scope{d: c.d, item: item})
		}
	}
}

func (c *checker) selector(at, key string, s *Selector, sc scope) {
	for name, text := range s.fields() {
		c.template(at+"."+name, *text, sc)
	}
	if _, err := path.Match(s.Name, ""); err != nil {
		c.Complain(at+".name", fmt.Sprintf("%q is no pattern", s.Name), "* stands for any characters, ? for one")
	}
	if key != "hosts" {
		return
	}
	for _, name := range []string{"tag", "folder", "host"} {
		if *s.fields()[name] != "" {
			c.Complain(at+"."+name, "hosts are not chosen by "+name, "name, cluster, power")
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
