package steps

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/yamlfile"
)

// A ParameterError says which parameter is wrong, and what would be right.
type ParameterError struct{ Parameter, Text string }

func (e *ParameterError) Error() string { return fmt.Sprintf("parameter %q: %s", e.Parameter, e.Text) }

// Check returns the parameters that were given, nil where none was, or a *ParameterError. An empty value counts as not
// given. Whether guests, hosts and the like are there is not looked at.
func (d *Definition) Check(given map[string]string) (map[string]string, error) {
	var out map[string]string
	for _, name := range sortedKeys(given) {
		p, ok := d.parameter(name)
		if !ok {
			return nil, &ParameterError{name, "there is no such parameter; " + d.known(name)}
		}
		value := strings.TrimSpace(given[name])
		if value == "" {
			continue
		}
		if why := p.reject(value); why != "" {
			return nil, &ParameterError{name, why}
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	for _, p := range d.Parameters {
		if p.Required && out[p.Name] == "" {
			return nil, &ParameterError{p.Name, "it is required"}
		}
	}
	return out, nil
}

func (d *Definition) known(name string) string {
	if len(d.Parameters) == 0 {
		return "the runbook has none"
	}
	return yamlfile.Allowed(name, d.parameterNames())
}

func (d *Definition) parameterNames() (names []string) {
	for _, p := range d.Parameters {
		names = append(names, p.Name)
	}
	return names
}

func (d *Definition) parameter(name string) (*Parameter, bool) {
	i := slices.IndexFunc(d.Parameters, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return &d.Parameters[i], true
}

// Text is the default as one would give it; empty: there is none.
func (p *Parameter) Text() string {
	text, err := p.defaultText()
	if err != nil {
		return ""
	}
	return text
}

func (p *Parameter) defaultText() (string, error) {
	switch v := p.Default.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case int:
		return strconv.Itoa(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case []any:
		if !p.List {
			return "", errors.New("a list is the default of a parameter with list: true")
		}
		var words []string
		for _, x := range v {
			s, ok := x.(string)
			if !ok || s == "" || strings.Contains(s, ",") {
				return "", errors.New("the default has a value that is no text, or has a comma in it")
			}
			words = append(words, s)
		}
		return strings.Join(words, ","), nil
	}
	return "", errors.New("want text, a number, true or false, got " + kindOf(p.Default))
}

func (p *Parameter) pattern() (*regexp.Regexp, error) {
	return regexp.Compile(`^(?:` + p.Pattern + `)$`)
}

// reject says why the value is wrong, "" if it is right.
func (p *Parameter) reject(value string) string {
	if !p.List {
		return p.rejectOne(value)
	}
	for _, one := range words(value) {
		if why := p.rejectOne(one); why != "" {
			return why
		}
	}
	return ""
}

func (p *Parameter) rejectOne(value string) string {
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "it holds a control character"
	}
	if why := Reject(p.Type, p.Choices, value); why != "" {
		return why
	}
	if p.Pattern != "" {
		if re, err := p.pattern(); err != nil || !re.MatchString(value) {
			return fmt.Sprintf("%q does not fit the pattern %s", value, p.Pattern)
		}
	}
	return ""
}

// Reject says why the value is none of the type, or none of the choices where there are any; "" if it is. Built-in runbooks have the
// same types.
func Reject(kind string, choices []string, value string) string {
	switch kind {
	case TypeBool:
		if value != "true" && value != "false" {
			return fmt.Sprintf("%q is not a yes or no; allowed are true, false", value)
		}
	case TypeInt:
		if _, err := strconv.Atoi(value); err != nil {
			return fmt.Sprintf("%q is not a whole number, such as 3", value)
		}
	case TypeDuration:
		if d, err := time.ParseDuration(value); err != nil || d <= 0 {
			return fmt.Sprintf("%q is not a duration, such as 90s or 1h30m", value)
		}
	}
	if (kind == TypeChoice || len(choices) > 0) && !slices.Contains(choices, value) {
		return fmt.Sprintf("%q is not allowed; allowed are %s", value, strings.Join(choices, ", "))
	}
	return ""
}

// words are the values of a list.
func words(value string) (out []string) {
	for w := range strings.SplitSeq(value, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// typed is a value as conditions see it. A duration is its seconds.
func (p *Parameter) typed(value string) any {
	if p.List {
		return append([]string{}, words(value)...)
	}
	switch p.Type {
	case TypeBool:
		return value == "true"
	case TypeInt:
		n, _ := strconv.Atoi(value) // checked; empty is 0
		return n
	case TypeDuration:
		d, _ := time.ParseDuration(value) // the same
		return int(d / time.Second)
	}
	return value
}

// A scope is what templates and conditions may name at one place.
type scope struct {
	d      *Definition
	values map[string]string // of the parameters, defaults included
	item   bool              // there is an item
	fact   Fact              // it
}

// known answers nothing, or why a name cannot stand in a template here.
func (sc scope) known(name string) (string, error) {
	if part, ok := strings.CutPrefix(name, "item."); ok && sc.item {
		if _, ok := (Fact{}).text(part); !ok {
			return "", fmt.Errorf("${%s}: an item has no %q; it has name, kind, power, host, cluster, folder, ip, version", name, part)
		}
		return "", nil
	}
	if name == "item" || strings.HasPrefix(name, "item.") {
		if sc.item {
			return "", errors.New("${item}: say which part of it, as ${item.name}")
		}
		return "", fmt.Errorf("${%s}: there is an item in a step with foreach only", name)
	}
	p, ok := sc.d.parameter(name)
	switch {
	case !ok:
		return "", fmt.Errorf("${%s}: there is no such parameter; %s", name, sc.d.known(name))
	case p.List:
		return "", fmt.Errorf("${%s}: it is a list: go through it with foreach: {parameter: %s}", name, name)
	}
	return "", nil
}

// value is what a name in a template stands for.
func (sc scope) value(name string) (string, error) {
	if _, err := sc.known(name); err != nil {
		return "", err
	}
	if part, ok := strings.CutPrefix(name, "item."); ok {
		text, _ := sc.fact.text(part)
		return text, nil
	}
	return sc.values[name], nil
}

// labFacts is `lab` in a condition.
type labFacts struct {
	Guests map[string]Fact `expr:"guests"`
	Hosts  map[string]Fact `expr:"hosts"`
}

// types are what a condition may name, with empty values.
func (sc scope) types() map[string]any { return sc.env(labFacts{}) }

func (sc scope) env(lab labFacts) map[string]any {
	env := map[string]any{"lab": lab}
	for i := range sc.d.Parameters {
		p := &sc.d.Parameters[i]
		env[p.Name] = p.typed(sc.values[p.Name])
	}
	if sc.item {
		env["item"] = sc.fact
	}
	return env
}

// scopeOf is that of a run with these parameters, which were checked.
func (d *Definition) scopeOf(given map[string]string) scope {
	sc := scope{d: d, values: map[string]string{}}
	for i := range d.Parameters {
		p := &d.Parameters[i]
		sc.values[p.Name] = p.Text()
		if v := given[p.Name]; v != "" {
			sc.values[p.Name] = v
		}
	}
	return sc
}

// Channels are those of messages.
func (d *Definition) Channels(given map[string]string) (names []string) {
	sc := d.scopeOf(given)
	eachStep("", d.Steps, func(_ string, s *Step) {
		list, _ := s.With["channels"].([]any)
		for _, x := range list {
			name, ok := x.(string)
			if filled, err := fill(name, sc.value); err == nil {
				name = filled
			}
			if ok && s.Uses == Notify && !hasTemplate(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	})
	return names
}

// Machines are those that the steps name, and the values of parameters of that type.
func (d *Definition) Machines(given map[string]string) (names []string) {
	sc := d.scopeOf(given)
	add := func(list ...string) {
		for _, name := range list {
			if name != "" && !hasTemplate(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	eachStep("", d.Steps, func(_ string, s *Step) {
		if at, ok := s.With["at"].(string); ok && s.Uses == SSHRun {
			if filled, err := fill(at, sc.value); err == nil {
				at = filled
			}
			add(at)
		}
	})
	for _, p := range d.Parameters {
		if p.Type == TypeMachine {
			add(words(sc.values[p.Name])...)
		}
	}
	return names
}
