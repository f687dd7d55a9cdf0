package yamlfile

import (
	"reflect"
	"strings"
)

// A rule is what a jsonschema tag says about a value, as far as the decoder enforces it.
type rule struct {
	enum  []string
	lines bool // the text may have several
	must  bool // the key must be there
}

// A Key is a key of a file and the field of a Go struct that holds it.
type Key struct {
	Name  string
	Index []int
	rule  rule
}

// Keys are those of one struct.
type Keys []Key

// FieldsOf lists the keys of a struct in the order of its fields, with those of embedded structs in their place.
func FieldsOf(t reflect.Type) Keys {
	var out Keys
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if f.Anonymous && name == "" {
			for _, k := range FieldsOf(f.Type) {
				k.Index = append([]int{i}, k.Index...)
				out = append(out, k)
			}
			continue
		}
		out = append(out, Key{Name: name, Index: []int{i}, rule: ruleOf(f, !strings.Contains(options, "omitempty"))})
	}
	return out
}

func ruleOf(f reflect.StructField, must bool) rule {
	r := rule{must: must}
	for _, part := range strings.Split(f.Tag.Get("jsonschema"), ",") {
		if v, ok := strings.CutPrefix(part, "enum="); ok {
			r.enum = append(r.enum, v)
		}
	}
	r.lines = f.Tag.Get("lines") == "true"
	return r
}

// Required: the key must be there.
func (k Key) Required() bool { return k.rule.must }

// Enum are the only values that the key may have; none: any.
func (k Key) Enum() []string { return k.rule.enum }

// Get finds a key by its name.
func (ks Keys) Get(name string) (Key, bool) {
	for _, k := range ks {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// Names lists them in the order of the fields.
func (ks Keys) Names() []string {
	out := make([]string, len(ks))
	for i, k := range ks {
		out[i] = k.Name
	}
	return out
}
