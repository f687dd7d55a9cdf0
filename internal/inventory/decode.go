package inventory

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"nightshift/internal/plan"
)

// A decoder fills Go values from YAML nodes by the tags of the types, and goes on after an error. It is here because
// the library's own decoder stops at the first one, and does not know what would have been allowed.
type decoder struct {
	file     string
	problems []*Error
	at       map[string]*token.Position // of each field that is written down; of its key where it has keys or a list
	unread   map[string]bool            // fields whose value could not be read: empty, and not to be complained about again
}

// refuse complains about a value, which is not read.
func (d *decoder) refuse(p *token.Position, field, problem, remedy string) {
	d.unread[field] = true
	d.add(p, field, problem, remedy)
}

func (d *decoder) add(p *token.Position, field, problem, remedy string) {
	d.problems = append(d.problems, &Error{File: d.file, Line: p.Line, Column: p.Column, Field: field, Problem: problem, Remedy: remedy})
}

func (d *decoder) value(n ast.Node, v reflect.Value, field string, rule rule) {
	pos := position(n)
	if _, ok := d.at[field]; !ok {
		d.at[field] = pos
	}
	if n.Type() == ast.NullType {
		d.refuse(d.at[field], field, "nothing is said here", "give a value or remove the key")
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), field, rule)
	case reflect.Struct:
		d.mapping(n, v, field)
	case reflect.Slice:
		d.list(n, v, field)
	case reflect.Map:
		d.dictionary(n, v, field)
	default:
		d.at[field] = pos
		d.scalar(n, v, field, rule)
	}
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, field string) {
	fields := fieldsOf(v.Type())
	seen, ok := d.keys(n, field, func(key string, keyPos *token.Position, value ast.Node) {
		f, ok := fields.get(key)
		if remedy := formerKey(v.Type(), key); !ok && remedy != "" {
			d.add(keyPos, field, fmt.Sprintf("the key %q is no more", key), remedy)
			return
		}
		if !ok {
			d.add(keyPos, field, fmt.Sprintf("unknown key %q", key), allowed(key, fields.names()))
			return
		}
		d.value(value, v.FieldByIndex(f.index), join(field, key), f.rule)
	})
	for _, f := range fields {
		if ok && f.required && !seen[f.name] {
			d.add(position(n), field, fmt.Sprintf("the key %q is missing", f.name), "")
		}
	}
}

// formerKey says what took the place of a key that earlier lab files had; empty: it was never there.
func formerKey(t reflect.Type, key string) string {
	if t == reflect.TypeFor[VCenter]() && key == "guest" {
		return "say provides: [vcenter] at the guest, in the list guests:"
	}
	return ""
}

func (d *decoder) dictionary(n ast.Node, v reflect.Value, field string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.keys(n, field, func(key string, _ *token.Position, value ast.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(value, item, join(field, key), rule{})
		v.SetMapIndex(reflect.ValueOf(key), item)
	})
}

// keys calls fn for each key of a mapping that is not a double one. It reports whether n is a mapping.
func (d *decoder) keys(n ast.Node, field string, fn func(key string, p *token.Position, value ast.Node)) (map[string]bool, bool) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.refuse(position(n), field, "want keys and values, got "+kindOf(n), "key: value, one per line")
		return nil, false
	}
	first := map[string]*token.Position{}
	seen := map[string]bool{}
	for _, kv := range m.Values {
		t := kv.Key.GetToken()
		key := t.Value
		if p := first[key]; p != nil {
			d.add(t.Position, field, fmt.Sprintf("the key %q is here twice", key), fmt.Sprintf("first in line %d", p.Line))
			continue
		}
		first[key], seen[key] = t.Position, true
		d.at[join(field, key)] = t.Position
		fn(key, t.Position, kv.Value)
	}
	return seen, true
}

func (d *decoder) list(n ast.Node, v reflect.Value, field string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.refuse(position(n), field, "want a list, got "+kindOf(n), `each entry begins with "- "`)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, item := range s.Values {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", field, i), rule{})
	}
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, field string, r rule) {
	switch v.Kind() {
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return
		}
		d.refuse(position(n), field, "want true or false, got "+kindOf(n), "write true or false, without quotes")
	case reflect.Int:
		i, ok := integer(n)
		if !ok || i < 0 || i > math.MaxInt16 {
			d.refuse(position(n), field, "want a whole number from 0 to "+strconv.Itoa(math.MaxInt16), "")
			return
		}
		v.SetInt(int64(i))
	case reflect.Int64: // plan.Duration; TestEveryTypeIsDecoded fails when there is another
		d.duration(n, v, field)
	case reflect.String:
		d.text(n, v, field, r)
	}
}

func (d *decoder) duration(n ast.Node, v reflect.Value, field string) {
	const remedy = "a number with its unit: 90s, 5m, 1h30m"
	s, ok := textOf(n)
	if !ok {
		d.refuse(position(n), field, "want a duration, got "+kindOf(n), remedy)
		return
	}
	t, err := time.ParseDuration(s)
	switch {
	case err != nil:
		d.refuse(position(n), field, fmt.Sprintf("%q is not a duration", s), remedy)
	case t <= 0:
		d.refuse(position(n), field, fmt.Sprintf("the duration %s is not above zero", s), "leave the key out for the default")
	default:
		v.Set(reflect.ValueOf(plan.Duration(t)))
	}
}

func (d *decoder) text(n ast.Node, v reflect.Value, field string, r rule) {
	s, ok := textOf(n)
	_, secret := v.Interface().(SecretRef)
	switch {
	case !ok && secret:
		d.refuse(position(n), field, "want a reference to the secret, got "+kindOf(n), secretRemedy)
	case !ok:
		d.refuse(position(n), field, "want text, got "+kindOf(n), "put it in quotes if it is text")
	case strings.ContainsFunc(s, unicode.IsControl):
		d.refuse(position(n), field, "the text has more than one line, or a control character", "write it in one line")
	case len(r.enum) > 0 && !slices.Contains(r.enum, s):
		d.refuse(position(n), field, fmt.Sprintf("%q is not allowed here", s), allowed(s, r.enum))
	default:
		v.SetString(s)
	}
}

// textOf is the text of a string in any of YAML's forms.
func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

func integer(n ast.Node) (int, bool) {
	if n.Type() != ast.IntegerType {
		return 0, false
	}
	i, err := strconv.Atoi(n.GetToken().Value) // decimal only: 010 is ten here, and neither hex nor octal
	return i, err == nil
}

// position of a node: of its first key where it is a mapping, as the library says that of the first colon.
func position(n ast.Node) *token.Position {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken().Position
	}
	return n.GetToken().Position
}

func join(field, key string) string {
	if field == "" {
		return key
	}
	return field + "." + key
}
