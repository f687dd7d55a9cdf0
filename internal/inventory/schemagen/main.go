// Command schemagen writes lab.schema.json, the JSON Schema of the lab file, from the types of package inventory and
// their comments. It is a program of its own so that nightshift does not carry the generator.
//
//go:generate go run .
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

const output = "../lab.schema.json"

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
	if err := r.AddGoComments("nightshift/internal/inventory/schemagen", "..", jsonschema.WithFullComment()); err != nil {
		return nil, fmt.Errorf("read the comments of package inventory: %w", err)
	}
	for k, text := range r.CommentMap {
		r.CommentMap[k] = strings.Join(strings.Fields(text), " ")
	}
	s := r.Reflect(inventory.File{})
	s.Title = "nightshift lab file"
	s.Description = "lab.yaml: what nightshift is told about a lab. No secret stands in it, only references to secrets."
	one := uint64(1)
	self := s.Definitions["Self"]
	self.MinProperties, self.MaxProperties = &one, &one
	runbooks, _ := s.Properties.Get("runbooks")
	runbooks.PropertyNames = &jsonschema.Schema{Description: "a runbook that nightshift brings along, or one of your own"}
	for _, name := range inventory.RunbookNames() {
		runbooks.PropertyNames.Examples = append(runbooks.PropertyNames.Examples, name)
	}
	on, _ := s.Definitions["Channel"].Properties.Get("on")
	for _, name := range inventory.EventNames() {
		on.Items.Enum = append(on.Items.Enum, name)
	}

	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return out.Bytes(), nil
}

// special are the types whose YAML form is not that of their Go type.
func special(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[plan.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`, Examples: []any{"90s", "5m", "1h30m"}}
	case reflect.TypeFor[inventory.SecretRef]():
		return &jsonschema.Schema{Type: "string", Pattern: `^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|exec:.+)$`,
			Examples: []any{"env:VC_PASSWORD", "file:secrets/vcenter", "exec:pass show lab/vcenter"}}
	}
	return nil
}
