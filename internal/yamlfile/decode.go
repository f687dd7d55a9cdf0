package yamlfile

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

// A Decoder fills Go values from YAML nodes by the tags of their types: `json` names the keys (without omitempty a key is
// required), `jsonschema` lists what a value may be, and `lines:"true"` allows text of several lines. It goes on after an
// error: the library's own decoder stops at the first one, and does not know what would have been allowed.
type Decoder struct {
	File     string
	Problems []*Error
	At       map[string]*token.Position // of each field that is written down; of its key where it has keys or a list
	Unread   map[string]bool            // fields whose value could not be read: empty, and not to be complained about again
	// Former says what took the place of a key that earlier files had; empty: it was never there. May be nil.
	Former func(t reflect.Type, key string) string
	// References are the types of text that names something secret, with what to write: their values are never quoted.
	References map[reflect.Type]string
}

// NewDecoder makes one for the file of that name.
func NewDecoder(file string) *Decoder {
	return &Decoder{File: file, At: map[string]*token.Position{}, Unread: map[string]bool{}}
}

// Decode reads the whole document into v, a pointer to a struct.
func (d *Decoder) Decode(m *ast.MappingNode, v any) {
	d.value(m, reflect.ValueOf(v).Elem(), "", rule{})
}

// Complain adds a problem with a field, at its place, or that of the nearest thing around it that is written down. Fields
// that could not be read have been complained about already.
func (d *Decoder) Complain(field, problem, remedy string) {
	if d.Unread[field] {
		return
	}
	e := &Error{File: d.File, Field: field, Problem: problem, Remedy: remedy}
	for at := field; ; {
		if p, ok := d.At[at]; ok {
			e.Line, e.Column = p.Line, p.Column
			break
		}
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			break
		}
		at = at[:i]
	}
	d.Problems = append(d.Problems, e)
}

// refuse complains about a value, which is not read.
func (d *Decoder) refuse(p *token.Position, field, problem, remedy string) {
	d.Unread[field] = true
	d.add(p, field, problem, remedy)
}

func (d *Decoder) add(p *token.Position, field, problem, remedy string) {
	d.Problems = append(d.Problems, &Error{File: d.File, Line: p.Line, Column: p.Column, Field: field, Problem: problem, Remedy: remedy})
}

func (d *Decoder) value(n ast.Node, v reflect.Value, field string, rule rule) {
	pos := position(n)
	if _, ok := d.At[field]; !ok {
		d.At[field] = pos
	}
	if n.Type() == ast.NullType {
		d.refuse(d.At[field], field, "nothing is said here", "give a value or remove the key")
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
	case reflect.Interface:
		d.At[field] = pos
		if x, ok := d.anything(n, field); ok {
			v.Set(reflect.ValueOf(x))
		}
	default:
		d.At[field] = pos
		d.scalar(n, v, field, rule)
	}
}

func (d *Decoder) mapping(n ast.Node, v reflect.Value, field string) {
	fields := FieldsOf(v.Type())
	seen, ok := d.keys(n, field, func(key string, keyPos *token.Position, value ast.Node) {
		f, ok := fields.Get(key)
		if remedy := d.former(v.Type(), key); !ok && remedy != "" {
			d.add(keyPos, field, fmt.Sprintf("the key %q is no more", key), remedy)
			return
		}
		if !ok {
			d.add(keyPos, field, fmt.Sprintf("unknown key %q", key), Allowed(key, fields.Names()))
			return
		}
		d.value(value, v.FieldByIndex(f.Index), join(field, key), f.rule)
	})
	for _, f := range fields {
		if ok && f.Required() && !seen[f.Name] {
			d.add(position(n), field, fmt.Sprintf("the key %q is missing", f.Name), "")
		}
	}
}

func (d *Decoder) former(t reflect.Type, key string) string {
	if d.Former == nil {
		return ""
	}
	return d.Former(t, key)
}

func (d *Decoder) dictionary(n ast.Node, v reflect.Value, field string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.keys(n, field, func(key string, _ *token.Position, value ast.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(value, item, join(field, key), rule{})
		v.SetMapIndex(reflect.ValueOf(key), item)
	})
}

// keys calls fn for each key of a mapping that is not a double one. It reports whether n is a mapping.
func (d *Decoder) keys(n ast.Node, field string, fn func(key string, p *token.Position, value ast.Node)) (map[string]bool, bool) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.refuse(position(n), field, "want keys and values, got "+KindOf(n), "key: value, one per line")
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
		d.At[join(field, key)] = t.Position
		fn(key, t.Position, kv.Value)
	}
	return seen, true
}

func (d *Decoder) list(n ast.Node, v reflect.Value, field string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.refuse(position(n), field, "want a list, got "+KindOf(n), `each entry begins with "- "`)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values)))
	for i, item := range s.Values {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", field, i), rule{})
	}
}

func (d *Decoder) scalar(n ast.Node, v reflect.Value, field string, r rule) {
	switch v.Kind() {
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return
		}
		d.refuse(position(n), field, "want true or false, got "+KindOf(n), "write true or false, without quotes")
	case reflect.Int:
		i, ok := integer(n)
		if !ok || i < 0 || i > math.MaxInt16 {
			d.refuse(position(n), field, "want a whole number from 0 to "+strconv.Itoa(math.MaxInt16), "")
			return
		}
		v.SetInt(int64(i))
	case reflect.Float64:
		x, ok := number(n)
		if !ok {
			d.refuse(position(n), field, "want a number, got "+KindOf(n), "write it with a point: 0.32")
			return
		}
		v.SetFloat(x)
	case reflect.Int64: // plan.Duration; TestEveryTypeIsDecoded fails when there is another
		d.duration(n, v, field, r)
	case reflect.String:
		d.text(n, v, field, r)
	}
}

// longestDuration leaves room to add and to double: Go counts nanoseconds, up to 292 years.
const longestDuration = 100 * 365 * 24 * time.Hour

func (d *Decoder) duration(n ast.Node, v reflect.Value, field string, r rule) {
	const remedy = "a number with its unit: 90s, 5m, 1h30m; the largest is the hour: 48h"
	s, ok := textOf(n)
	if !ok {
		d.refuse(position(n), field, "want a duration, got "+KindOf(n), remedy)
		return
	}
	t, err := time.ParseDuration(s)
	switch {
	case err != nil:
		d.refuse(position(n), field, fmt.Sprintf("%q is not a duration", s), remedy)
	case t <= 0 && r.must:
		d.refuse(position(n), field, fmt.Sprintf("the duration %s is not above zero", s), remedy)
	case t <= 0:
		d.refuse(position(n), field, fmt.Sprintf("the duration %s is not above zero", s), "leave the key out for the default")
	case t > longestDuration:
		d.refuse(position(n), field, fmt.Sprintf("the duration %s is longer than a hundred years", s), remedy)
	default:
		v.Set(reflect.ValueOf(plan.Duration(t)))
	}
}

func (d *Decoder) text(n ast.Node, v reflect.Value, field string, r rule) {
	s, ok := textOf(n)
	remedy, secret := d.References[v.Type()]
	switch {
	case !ok && secret:
		d.refuse(position(n), field, "want a reference to the secret, got "+KindOf(n), remedy)
	case !ok:
		d.refuse(position(n), field, "want text, got "+KindOf(n), "put it in quotes if it is text")
	case strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) && (!r.lines || c != '\n' && c != '\t') }):
		d.refuse(position(n), field, "the text has more than one line, or a control character", "write it in one line")
	case len(r.enum) > 0 && !slices.Contains(r.enum, s):
		d.refuse(position(n), field, fmt.Sprintf("%q is not allowed here", s), Allowed(s, r.enum))
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

// number is a decimal one: 0.32, 1.
func number(n ast.Node) (float64, bool) {
	if n.Type() != ast.IntegerType && n.Type() != ast.FloatType {
		return 0, false
	}
	x, err := strconv.ParseFloat(n.GetToken().Value, 64)
	return x, err == nil && !math.IsNaN(x) && !math.IsInf(x, 0)
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

// anything is a value of which the type says nothing: string, bool, int, float64, []any or map[string]any. Text may have
// several lines.
func (d *Decoder) anything(n ast.Node, field string) (any, bool) {
	switch n := n.(type) {
	case *ast.BoolNode:
		return n.Value, true
	case *ast.IntegerNode:
		i, ok := integer(n)
		if !ok {
			d.refuse(position(n), field, "the number is too large, or is not decimal", "put it in quotes if it is text")
		}
		return i, ok
	case *ast.FloatNode:
		return n.Value, true
	case *ast.MappingNode:
		v := map[string]any{}
		d.dictionary(n, reflect.ValueOf(&v).Elem(), field)
		return v, true
	case *ast.SequenceNode:
		var v []any
		d.list(n, reflect.ValueOf(&v).Elem(), field)
		return v, true
	}
	var s string
	d.text(n, reflect.ValueOf(&s).Elem(), field, rule{lines: true})
	return s, !d.Unread[field]
}
