package inventory

import (
	"reflect"
	"strings"
)

// A rule is what a jsonschema tag says about a value, as far as the decoder enforces it.
type rule struct {
	enum []string
}

// A key is a key of the lab file and the field of a Go struct that holds it.
type key struct {
	name     string
	index    []int
	required bool
	rule     rule
}

type keys []key

// fieldsOf lists the keys of a struct in the order of its fields, with those of embedded structs in their place.
func fieldsOf(t reflect.Type) keys {
	var out keys
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			for _, k := range fieldsOf(f.Type) {
				k.index = append([]int{i}, k.index...)
				out = append(out, k)
			}
			continue
		}
		out = append(out, key{name: name, index: []int{i}, required: !strings.Contains(options, "omitempty"), rule: ruleOf(f)})
	}
	return out
}

func ruleOf(f reflect.StructField) rule {
	var r rule
	for _, part := range strings.Split(f.Tag.Get("jsonschema"), ",") {
		if v, ok := strings.CutPrefix(part, "enum="); ok {
			r.enum = append(r.enum, v)
		}
	}
	return r
}

func (ks keys) get(name string) (key, bool) {
	for _, k := range ks {
		if k.name == name {
			return k, true
		}
	}
	return key{}, false
}

func (ks keys) names() []string {
	out := make([]string, len(ks))
	for i, k := range ks {
		out[i] = k.name
	}
	return out
}
