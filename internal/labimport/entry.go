package labimport

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"nightshift/internal/words"
)

// entry writes an item of a list as the lab file has it, without what is empty; proposed: behind a #.
func (w *writer) entry(v any, proposed bool) {
	const indent = 2
	var lines []string
	for line := range strings.Lines(asYAML(v)) {
		lines = append(lines, strings.TrimRight(line, "\r\n"))
	}
	for i, line := range lines {
		head := "  "
		if i == 0 {
			head = "- "
		}
		if proposed {
			w.proposal(0, strings.Repeat(" ", indent)+head+line)
			continue
		}
		w.line(indent, head+clean(line), "")
	}
}

// asYAML is a value by its JSON tags.
func asYAML(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	var m yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(b, &m, yaml.UseOrderedMap()); err != nil {
		return ""
	}
	out, err := yaml.MarshalWithOptions(full(m), yaml.IndentSequence(true))
	if err != nil {
		return ""
	}
	return string(out)
}

// full is a map without its empty values.
func full(m yaml.MapSlice) yaml.MapSlice {
	var out yaml.MapSlice
	for _, item := range m {
		switch v := item.Value.(type) {
		case yaml.MapSlice:
			if v = full(v); len(v) == 0 {
				continue
			}
			item.Value = v
		case []any:
			if len(v) == 0 {
				continue
			}
		case string:
			if v == "" {
				continue
			}
			if d, err := time.ParseDuration(v); err == nil && strings.HasSuffix(v, "m0s") {
				item.Value = words.Written(d)
			}
		case nil:
			continue
		}
		out = append(out, item)
	}
	return out
}
