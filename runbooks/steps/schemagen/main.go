// Command schemagen writes runbook.schema.json, the JSON Schema of step runbooks, from the types of package steps and their
// comments. It is a program of its own so that nightshift does not carry the generator.
//
//go:generate go run .
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"nightshift/internal/plan"
	"nightshift/runbooks/steps"
)

const output = "../runbook.schema.json"

func main() {
	b, err := generate()
	if err == nil {
		err = os.WriteFile(output, b, 0o644) //nolint:gosec // a source file
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1) //nolint:forbidigo // this is a main
	}
}

// generate makes the schema. The comments are read from the sources beside this directory.
func generate() ([]byte, error) {
	r := jsonschema.Reflector{Anonymous: true, ExpandedStruct: true, Mapper: special}
	if err := r.AddGoComments("nightshift/runbooks/steps/schemagen", "..", jsonschema.WithFullComment()); err != nil {
		return nil, fmt.Errorf("read the comments of package steps: %w", err)
	}
	for k, text := range r.CommentMap {
		r.CommentMap[k] = strings.Join(strings.Fields(text), " ")
	}
	s := r.Reflect(steps.Definition{})
	s.Title = "nightshift step runbook"
	s.Description = "What nightshift does in a lab, written by its owner."
	step := s.Definitions["Step"]
	uses, _ := step.Properties.Get("uses")
	types := steps.WithTypes()
	var names []string
	for name := range types {
		names = append(names, name)
	}
	slices.Sort(names)
	var some []*jsonschema.Schema
	for _, name := range names {
		some = append(some, &jsonschema.Schema{Const: name})
		with := r.ReflectFromType(types[name])
		with.Version, with.ID = "", ""
		loosen(with)
		uses := jsonschema.NewProperties()
		uses.Set("uses", &jsonschema.Schema{Const: name})
		then := jsonschema.NewProperties()
		then.Set("with", with)
		step.AllOf = append(step.AllOf, &jsonschema.Schema{If: &jsonschema.Schema{Properties: uses, Required: []string{"uses"}}, Then: &jsonschema.Schema{Properties: then}})
	}
	uses.AnyOf = append(some, &jsonschema.Schema{Pattern: "^runbook/[a-z][a-z0-9-]*$"})

	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return out.Bytes(), nil
}

// loosen lets a template stand for every value.
func loosen(s *jsonschema.Schema) {
	if s.Properties == nil {
		return
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		if t := p.Value.Type; t == "boolean" || t == "integer" {
			p.Value = &jsonschema.Schema{Description: p.Value.Description, AnyOf: []*jsonschema.Schema{{Type: t}, {Type: "string", Pattern: `\$\{`}}}
		}
	}
}

// special are the types whose YAML form is not that of their Go type.
func special(t reflect.Type) *jsonschema.Schema {
	if t == reflect.TypeFor[plan.Duration]() {
		return &jsonschema.Schema{Type: "string", Pattern: `^(([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+|.*\$\{.*)$`, Examples: []any{"90s", "5m", "1h30m"}}
	}
	return nil
}
