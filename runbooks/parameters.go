package runbooks

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/runbooks/steps"
)

// Types of parameters: those of step runbooks.
const (
	TypeString   = steps.TypeString
	TypeBool     = steps.TypeBool     // true | false
	TypeInt      = steps.TypeInt      // decimal
	TypeDuration = steps.TypeDuration // "90s", "1h30m"
)

// A Parameter is something that one can tell a runbook.
type Parameter struct {
	Name    string
	Type    string
	Help    string
	Default string   // what holds where it is not given; "" for none
	Allowed []string // the only values, where there are such
	// Required: a run is refused without it.
	Required bool
	// Of step runbooks: it takes several values, with commas between them; a regular expression that the whole value must match.
	List    bool
	Pattern string
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
		if text := steps.Reject(r.Parameters[i].Type, r.Parameters[i].Allowed, value); text != "" {
			return nil, &ParameterError{r.Name, name, text}
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	for _, p := range r.Parameters {
		if p.Required && out[p.Name] == "" {
			return nil, &ParameterError{r.Name, p.Name, fmt.Sprintf("it must be given: -p %s=…, %s", p.Name, p.Help)}
		}
	}
	return out, nil
}

// knows refuses a name that the lab file does not have.
type knows func(lab *inventory.Lab, runbook, name string) error

// CheckNames holds parameters that passed Check against the lab file: for a name that it does not have the error is a *ParameterError.
func (r Runbook) CheckNames(lab *inventory.Lab, given map[string]string) error {
	for _, p := range r.Parameters {
		known, value := r.names[p.Name], given[p.Name]
		if known == nil || value == "" {
			continue
		}
		if err := known(lab, r.Name, value); err != nil {
			return err
		}
	}
	return nil
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
