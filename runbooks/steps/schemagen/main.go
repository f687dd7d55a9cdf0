// Command schemagen writes runbook.schema.json, the JSON Schema of step runbooks, from the types of package steps and their
// comments.
//
//go:generate go run .
package main

import (
	"maps"
	"reflect"
	"slices"

	"github.com/invopop/jsonschema"

	"nightshift/internal/plan"
	"nightshift/internal/yamlfile/schemagen"
	"nightshift/runbooks/steps"
)

func main() { schemagen.Main("../runbook.schema.json", generate) }

func generate() ([]byte, error) {
	return schemagen.File{
		Title:       "nightshift step runbook",
		Description: "What nightshift does in a lab, written by its owner.",
		Program:     "nightshift/runbooks/steps/schemagen",
		Special:     special,
		Refine:      refine,
	}.Generate(steps.Definition{})
}

// refine says which values each action takes.
func refine(r *jsonschema.Reflector, s *jsonschema.Schema) {
	step := s.Definitions["Step"]
	uses, _ := step.Properties.Get("uses")
	types := steps.WithTypes()
	var some []*jsonschema.Schema
	for _, name := range slices.Sorted(maps.Keys(types)) {
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
