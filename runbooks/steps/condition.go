package steps

import (
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// maxCondition is how long a condition may be, in bytes, and how many parts it may have.
const (
	maxCondition      = 1000
	maxConditionParts = 200
)

// builtins are the functions of a condition. None of them knows the time.
var builtins = []string{"len", "lower", "upper", "trim", "all", "any", "none", "one", "filter", "count"}

// condition compiles a condition against what it may name. It has no loops but over lists of what is there, calls nothing
// and changes nothing.
func condition(text string, env map[string]any) (*vm.Program, error) {
	if len(text) > maxCondition {
		return nil, fmt.Errorf("the condition is longer than %d characters", maxCondition)
	}
	options := []expr.Option{expr.Env(env), expr.AsBool(), expr.MaxNodes(maxConditionParts), expr.DisableAllBuiltins()}
	for _, name := range builtins {
		options = append(options, expr.EnableBuiltin(name))
	}
	p, err := expr.Compile(text, options...)
	return p, plainError(err)
}

// plainError is the library's error in one line, without the picture of where it is.
func plainError(err error) error {
	if at := new(file.Error); errors.As(err, &at) {
		return fmt.Errorf("%s (at character %d of the condition)", strings.TrimSpace(at.Message), at.Column+1)
	}
	return err
}

// holds evaluates a condition.
func holds(p *vm.Program, env map[string]any) (bool, error) {
	out, err := expr.Run(p, env)
	if err != nil {
		return false, plainError(err)
	}
	yes, ok := out.(bool)
	if !ok {
		return false, fmt.Errorf("it is %v, neither true nor false", out)
	}
	return yes, nil
}
