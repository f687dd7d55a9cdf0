package runbooks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift/runbooks/steps"
)

// Types of parameters.
const (
	TypeString   = "string"
	TypeBool     = "bool"     // true | false
	TypeInt      = "int"      // decimal
	TypeDuration = "duration" // "90s", "1h30m"
)

// A Parameter is something that one can tell a runbook.
type Parameter struct {
	Name    string
	Type    string
	Help    string
	Default string   // what holds where it is not given; "" for none
	Allowed []string // the only values, where there are such
	// Of step runbooks: a run is refused without it; it takes several values, with commas between them; a regular expression
	// that the whole value must match.
	Required bool
	List     bool
	Pattern  string
}

// A ParameterError says which parameter is wrong and what would be right: the asker's mistake, not the lab's.
type ParameterError struct {
	Runbook, Parameter, Text string
}

func (e *ParameterError) Error() string {
	return fmt.Sprintf("runbook %s, parameter %q: %s", e.Runbook, e.Parameter, e.Text)
}

// Check returns the parameters that were given, nil where none was, or a *ParameterError for the first that is wrong.
// A value that is empty counts as not given.
func (r Runbook) Check(given map[string]string) (map[string]string, error) {
	if r.definition != nil {
		out, err := r.definition.Check(given)
		if wrong := new(steps.ParameterError); errors.As(err, &wrong) {
			err = &ParameterError{r.Name, wrong.Parameter, wrong.Text}
		}
		return out, err
	}
	var out map[string]string
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.IndexFunc(r.Parameters, func(p Parameter) bool { return p.Name == name })
		if i < 0 {
			return nil, &ParameterError{r.Name, name, "there is no such parameter; " + r.known()}
		}
		value := strings.TrimSpace(given[name])
		if value == "" {
			continue
		}
		if text := r.Parameters[i].reject(value); text != "" {
			return nil, &ParameterError{r.Name, name, text}
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	return out, nil
}

func (r Runbook) known() string {
	if len(r.Parameters) == 0 {
		return "the runbook has none"
	}
	names := make([]string, len(r.Parameters))
	for i, p := range r.Parameters {
		names[i] = p.Name
	}
	return "there are: " + strings.Join(names, ", ")
}

// reject says why the value is wrong, "" if it is right.
func (p Parameter) reject(value string) string {
	if len(p.Allowed) > 0 && !slices.Contains(p.Allowed, value) {
		return fmt.Sprintf("%q is not allowed; allowed are %s", value, strings.Join(p.Allowed, ", "))
	}
	var err error
	var want string
	switch p.Type {
	case TypeBool:
		if value != "true" && value != "false" {
			return fmt.Sprintf("%q is not a yes or no; allowed are true, false", value)
		}
	case TypeInt:
		_, err = strconv.Atoi(value)
		want = "a whole number, such as 3"
	case TypeDuration:
		_, err = time.ParseDuration(value)
		want = "a duration, such as 90s or 1h30m"
	}
	if err != nil {
		return fmt.Sprintf("%q is not %s", value, want)
	}
	return ""
}
