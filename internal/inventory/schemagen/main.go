// Command schemagen writes lab.schema.json, the JSON Schema of the lab file, from the types of package inventory and
// their comments.
//
//go:generate go run .
package main

import (
	"reflect"

	"github.com/invopop/jsonschema"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/yamlfile/schemagen"
)

func main() { schemagen.Main("../lab.schema.json", generate) }

func generate() ([]byte, error) {
	return schemagen.File{
		Title:       "nightshift lab file",
		Description: "lab.yaml: what nightshift is told about a lab. No secret stands in it, only references to secrets.",
		Program:     "nightshift/internal/inventory/schemagen",
		Special:     special,
		Refine:      refine,
	}.Generate(inventory.File{})
}

func refine(_ *jsonschema.Reflector, s *jsonschema.Schema) {
	for _, where := range []string{"guest", "host", "outside"} {
		s.Definitions["Self"].OneOf = append(s.Definitions["Self"].OneOf, &jsonschema.Schema{Required: []string{where}})
	}
	needVCenters(s)
	runbooks, _ := s.Properties.Get("runbooks")
	runbooks.PropertyNames = &jsonschema.Schema{Description: "a runbook that nightshift brings along, or one of your own"}
	for _, name := range inventory.RunbookNames() {
		runbooks.PropertyNames.Examples = append(runbooks.PropertyNames.Examples, name)
	}
	on, _ := s.Definitions["Channel"].Properties.Get("on")
	for _, name := range inventory.EventNames() {
		on.Items.Enum = append(on.Items.Enum, name)
	}
}

// needVCenters has a lab have vCenters and hosts, or storage hosts, and a vCenter for what is found through one.
func needVCenters(s *jsonschema.Schema) {
	some := jsonschema.NewProperties()
	one := uint64(1)
	some.Set("storageHosts", &jsonschema.Schema{MinItems: &one})
	s.AnyOf = []*jsonschema.Schema{{Required: []string{"vcenters", "hosts"}}, {Required: []string{"storageHosts"}, Properties: some}}
	s.DependentRequired = map[string][]string{}
	for _, key := range inventory.NeedVCenters() {
		s.DependentRequired[key] = []string{"vcenters"}
	}
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
