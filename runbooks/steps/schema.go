package steps

import (
	_ "embed"
	"fmt"
	"reflect"
	"strings"

	"nightshift/internal/yamlfile"
)

//go:embed runbook.schema.json
var schema string

// Schema is the JSON Schema (2020-12) of step runbooks, for editors. schemagen makes it from the types of this package.
func Schema() string { return schema }

//go:embed template.yaml
var template string

// templateName is how the template calls itself.
const templateName = "my-runbook"

// Template is a runbook to begin with, with the name. An error says that it is no name.
func Template(name string) (string, error) {
	if !runbookName.MatchString(name) {
		return "", fmt.Errorf("%q is no name for a runbook: lower-case letters, digits and dashes, at most 50, with a letter first", name)
	}
	return strings.ReplaceAll(template, templateName, name), nil
}

// Wants lists the keys of `with` of an action; those that may be left out end with "?".
func Wants(a Action) (keys []string) {
	for _, k := range yamlfile.FieldsOf(a.With) {
		name := k.Name
		if !k.Required() {
			name += "?"
		}
		keys = append(keys, name)
	}
	return keys
}

// WithTypes are the types of `with`, by action: for the schema.
func WithTypes() map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for _, a := range Actions() {
		out[a.Name] = a.With
	}
	return out
}
