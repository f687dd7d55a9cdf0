package steps

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nightshift/internal/yamlfile"
)

// A Library is a set of definitions that may use each other, by name.
type Library struct{ defs map[string]*Definition }

// NewLibrary makes one. Of two definitions with one name the first counts.
func NewLibrary(defs ...*Definition) *Library {
	l := &Library{defs: map[string]*Definition{}}
	for _, d := range defs {
		if _, taken := l.defs[d.Name]; !taken {
			l.defs[d.Name] = d
		}
	}
	return l
}

// Check says what does not fit between a definition and those that it uses: one that is not there, a circle, parameters
// that it does not have. What is wrong is a yamlfile.Errors.
func (l *Library) Check(d *Definition) error {
	dec := yamlfile.NewDecoder(d.file)
	dec.At = d.at
	eachStep("steps", d.Steps, func(at string, s *Step) {
		name, ok := strings.CutPrefix(s.Uses, runbookPrefix)
		if !ok {
			return
		}
		used, ok := l.defs[name]
		if !ok {
			dec.Complain(at+".uses", fmt.Sprintf("there is no step runbook %q", name), yamlfile.Allowed(name, slices.Sorted(maps.Keys(l.defs))))
			return
		}
		if circle := l.circle(used, []string{d.Name}); circle != nil {
			dec.Complain(at+".uses", "the runbooks use each other in a circle: "+strings.Join(circle, " uses "), "")
			return
		}
		for _, p := range used.callProblems(s.With, nil) {
			dec.Complain(strings.TrimSuffix(at+".with."+p.field, "."), p.text, p.remedy)
		}
	})
	return yamlfile.AsError(dec.Problems)
}

// circle is the way from the first of the path back to it, or to another one that comes twice.
func (l *Library) circle(d *Definition, path []string) (found []string) {
	if slices.Contains(path, d.Name) {
		return append(slices.Clone(path), d.Name)
	}
	path = append(slices.Clone(path), d.Name)
	eachStep("", d.Steps, func(_ string, s *Step) {
		name, ok := strings.CutPrefix(s.Uses, runbookPrefix)
		if used := l.defs[name]; ok && used != nil && found == nil {
			found = l.circle(used, path)
		}
	})
	return found
}

// eachStep goes through the steps, those in blocks too.
func eachStep(field string, list []Step, visit func(at string, s *Step)) {
	for i := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		visit(at, &list[i])
		eachStep(at+".steps", list[i].Steps, visit)
	}
}

// callProblems are what is wrong with the values by which another runbook calls this one. Without fill, text with templates
// in it counts as right.
func (d *Definition) callProblems(with map[string]any, fillIn func(string) (string, error)) (out []problem) {
	_, out = d.callValues(with, fillIn)
	return out
}

func (d *Definition) callValues(with map[string]any, fillIn func(string) (string, error)) (map[string]string, []problem) {
	values := map[string]string{}
	var out []problem
	for _, name := range sortedKeys(with) {
		p, ok := d.parameter(name)
		if !ok {
			out = append(out, problem{name, fmt.Sprintf("runbook %s has no parameter %q", d.Name, name), d.known(name)})
			continue
		}
		b := binder{fill: fillIn}
		text, known := b.text(with[name], name)
		out = append(out, b.problems...)
		if known && text != "" {
			if why := p.reject(text); why != "" {
				out = append(out, problem{name, why, ""})
			}
		}
		values[name] = text
	}
	for _, p := range d.Parameters {
		if _, given := with[p.Name]; p.Required && (!given || fillIn != nil && values[p.Name] == "") {
			out = append(out, problem{"", fmt.Sprintf("runbook %s needs the parameter %q", d.Name, p.Name), ""})
		}
	}
	return values, out
}

// Hash is that of the definition and of all that it uses: SHA-256 of their files, lower-case hex.
func (l *Library) Hash(d *Definition) string {
	used := map[string]*Definition{}
	l.uses(d, used)
	h := sha256.New()
	for _, name := range sortedKeys(used) {
		fmt.Fprintf(h, "%s %d\n", name, len(used[name].data))
		h.Write(used[name].data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (l *Library) uses(d *Definition, all map[string]*Definition) {
	if _, seen := all[d.Name]; seen {
		return
	}
	all[d.Name] = d
	eachStep("", d.Steps, func(_ string, s *Step) {
		name, ok := strings.CutPrefix(s.Uses, runbookPrefix)
		if used := l.defs[name]; ok && used != nil {
			l.uses(used, all)
		}
	})
}

// Uses lists the actions that a runbook, with those that it uses, may do: each once, sorted.
func (l *Library) Uses(d *Definition) []string {
	used, names := map[string]*Definition{}, map[string]bool{}
	l.uses(d, used)
	for _, name := range sortedKeys(used) {
		eachStep("", used[name].Steps, func(_ string, s *Step) {
			if _, ok := actionOf(s.Uses); ok {
				names[s.Uses] = true
			}
		})
	}
	return sortedKeys(names)
}
