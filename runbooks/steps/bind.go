package steps

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/plan"
	"nightshift/internal/yamlfile"
)

// A problem is something wrong with a value of `with`, by its key: "run[1]".
type problem struct{ field, text, remedy string }

// bind fills a struct from the values of `with`. fillIn fills templates; nil: there are no values yet, and text with
// templates in it is not read.
func bind(t reflect.Type, with map[string]any, fillIn func(string) (string, error)) (reflect.Value, []problem) {
	v := reflect.New(t)
	var out []problem
	keys := yamlfile.FieldsOf(t)
	for _, name := range sortedKeys(with) {
		k, ok := keys.Get(name)
		if !ok {
			out = append(out, problem{name, fmt.Sprintf("unknown key %q", name), yamlfile.Allowed(name, keys.Names())})
			continue
		}
		f := t.FieldByIndex(k.Index)
		b := binder{fill: fillIn, enum: k.Enum()}
		if text, ok := with[name].(string); ok && fillIn != nil && !k.Required() && hasTemplate(text) {
			if filled, err := fillIn(text); err == nil && filled == "" {
				continue // an optional parameter that was not given, for a key that may be left out
			}
		}
		if f.Tag.Get("template") == "no" {
			b.fill = func(s string) (string, error) { return s, nil }
		}
		b.set(v.Elem().FieldByIndex(k.Index), with[name], name)
		out = append(out, b.problems...)
	}
	for _, k := range keys {
		if _, given := with[k.Name]; k.Required() && !given {
			out = append(out, problem{"", fmt.Sprintf("the key %q is missing", k.Name), ""})
		}
	}
	return v, out
}

type binder struct {
	fill     func(string) (string, error)
	enum     []string
	problems []problem
}

func (b *binder) bad(field, text, remedy string) {
	b.problems = append(b.problems, problem{field, text, remedy})
}

// text is the value as text, with its templates filled in; false: it is not known yet, or it is wrong.
func (b *binder) text(raw any, field string) (string, bool) {
	var s string
	switch raw := raw.(type) {
	case string:
		s = raw
	case int:
		return strconv.Itoa(raw), true
	case bool:
		return strconv.FormatBool(raw), true
	case float64:
		b.bad(field, "a number with a point may be read in several ways", "put it in quotes")
		return "", false
	default:
		b.bad(field, "want text, got "+kindOf(raw), "")
		return "", false
	}
	if b.fill == nil {
		return s, !hasTemplate(s)
	}
	s, err := b.fill(s)
	if err != nil {
		b.bad(field, err.Error(), "")
		return "", false
	}
	return s, true
}

func (b *binder) set(v reflect.Value, raw any, field string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		b.set(v.Elem(), raw, field)
		return
	case reflect.Slice:
		list, ok := raw.([]any)
		if !ok {
			b.bad(field, "want a list, got "+kindOf(raw), "[one, two]")
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, x := range list {
			b.set(v.Index(i), x, fmt.Sprintf("%s[%d]", field, i))
		}
		return
	}
	s, ok := b.text(raw, field)
	if !ok {
		return
	}
	if len(b.enum) > 0 && !slices.Contains(b.enum, s) {
		b.bad(field, fmt.Sprintf("%q is not allowed here", s), yamlfile.Allowed(s, b.enum))
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		v.Set(reflect.ValueOf(s))
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		if s != "true" && s != "false" {
			b.bad(field, fmt.Sprintf("want true or false, got %q", s), "")
		}
		v.SetBool(s == "true")
	case reflect.Int:
		n, err := strconv.Atoi(s)
		if err != nil {
			b.bad(field, fmt.Sprintf("want a whole number, got %q", s), "")
		}
		v.SetInt(int64(n))
	case reflect.Int64: // plan.Duration
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			b.bad(field, fmt.Sprintf("want a duration above zero, got %q", s), "a number with its unit: 90s, 5m, 1h30m")
		}
		v.Set(reflect.ValueOf(plan.Duration(d)))
	}
}

// eachText finds every text in a value of `with`, in its order.
func eachText(raw any, field string, visit func(field, text string)) {
	switch raw := raw.(type) {
	case string:
		visit(field, raw)
	case []any:
		for i, x := range raw {
			eachText(x, fmt.Sprintf("%s[%d]", field, i), visit)
		}
	case map[string]any:
		for _, k := range sortedKeys(raw) {
			eachText(raw[k], strings.TrimPrefix(field+"."+k, "."), visit)
		}
	}
}

func kindOf(raw any) string {
	switch raw.(type) {
	case nil:
		return "nothing"
	case []any:
		return "a list"
	case map[string]any:
		return "keys and values"
	case int, float64:
		return "a number"
	case bool:
		return "true or false"
	}
	return "text"
}
