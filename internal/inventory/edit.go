package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"nightshift/internal/yamlfile"
)

// An editor changes single values in the text of a lab file. It knows the layouts that people use, and need not know
// all: WriteTrust compares what comes out.
type editor struct {
	lines []string // each with its line end
}

// edit returns the text with one value set.
func edit(name string, data []byte, c TrustChange) ([]byte, error) {
	root, e := labFile.Parse(name, data)
	if e != nil {
		return nil, e
	}
	ed := editor{lines: linesOf(string(data))}
	if err := ed.set(root, strings.Split(c.Field, "."), strconv.Quote(c.Value)); err != nil {
		return nil, &Error{File: name, Field: c.Field, Problem: err.Error(), Remedy: fmt.Sprintf("write it by hand: %q", c.Value)}
	}
	return []byte(strings.Join(ed.lines, "")), nil
}

// linesOf parts a text as YAML does: a line ends with \n, \r\n or \r.
func linesOf(text string) (lines []string) {
	for {
		i := strings.IndexAny(text, "\r\n")
		if i < 0 {
			return append(lines, text)
		}
		if strings.HasPrefix(text[i:], "\r\n") {
			i++
		}
		lines, text = append(lines, text[:i+1]), text[i+1:]
	}
}

// in tells whether the position is in a line of the text.
func (ed *editor) in(p *token.Position) bool {
	return p != nil && p.Line >= 1 && p.Line <= len(ed.lines) && p.Column >= 1
}

// errNoPlace is for a position that the library counted otherwise.
var errNoPlace = errors.New("its place in the file was not found")

// set walks down to the deepest mapping that is there, and replaces the value or inserts what is missing.
func (ed *editor) set(m *ast.MappingNode, path []string, value string) error {
	key, index, listed := strings.Cut(strings.TrimSuffix(path[0], "]"), "[")
	n := child(m, key)
	if n != nil && listed {
		i, err := strconv.Atoi(index)
		s, ok := n.(*ast.SequenceNode)
		if err != nil || !ok || i >= len(s.Values) {
			return fmt.Errorf("there is no %s", path[0])
		}
		n = s.Values[i]
	}
	switch next, isMapping := n.(*ast.MappingNode); {
	case n == nil && (listed || len(path) > 2):
		return fmt.Errorf("there is no %s", key)
	case n == nil:
		return ed.insert(m, path, value)
	case len(path) == 1:
		return ed.replace(n, value)
	case !isMapping:
		return fmt.Errorf("%s holds no keys", key)
	default:
		return ed.set(next, path[1:], value)
	}
}

func child(m *ast.MappingNode, key string) ast.Node {
	for _, kv := range m.Values {
		if kv.Key.GetToken().Value == key {
			return kv.Value
		}
	}
	return nil
}

// replace puts a value in the place of a scalar that lies in one line.
func (ed *editor) replace(n ast.Node, value string) error {
	if _, ok := n.(*ast.StringNode); !ok {
		return fmt.Errorf("holds %s, not text", yamlfile.KindOf(n))
	}
	if !ed.in(n.GetToken().Position) {
		return errNoPlace
	}
	before, rest := ed.cut(n.GetToken().Position)
	end, err := scalarEnd(rest, n.GetToken())
	if err != nil {
		return err
	}
	ed.lines[n.GetToken().Position.Line-1] = before + value + rest[end:]
	return nil
}

// cut splits a line before a position, whose column counts characters from 1.
func (ed *editor) cut(p *token.Position) (before, rest string) {
	line := []rune(ed.lines[p.Line-1])
	at := min(p.Column-1, len(line))
	return string(line[:at]), string(line[at:])
}

// scalarEnd is where a scalar at the beginning of s ends.
func scalarEnd(s string, t *token.Token) (int, error) {
	switch t.Type {
	case token.DoubleQuoteType, token.SingleQuoteType:
		for i := 1; i < len(s); i++ {
			if s[i] == '\\' && s[0] == '"' {
				i++
			} else if s[i] == s[0] {
				return i + 1, nil
			}
		}
	default:
		if strings.HasPrefix(s, t.Value) {
			return len(t.Value), nil
		}
	}
	return 0, fmt.Errorf("goes over several lines")
}

// insert adds path (a key, or a mapping with a key) to a mapping that has at least one key.
func (ed *editor) insert(m *ast.MappingNode, path []string, value string) error {
	if m.IsFlowStyle {
		text := path[len(path)-1] + ": " + value
		if len(path) == 2 {
			text = path[0] + ": {" + text + "}"
		}
		return ed.insertFlow(m, text)
	}
	after := lastOneLiner(m)
	if after == nil {
		return fmt.Errorf("there is no line in this part after which it could go")
	}
	p := after.Key.GetToken().Position
	if !ed.in(p) {
		return errNoPlace
	}
	line := ed.lines[p.Line-1]
	ending := line[len(strings.TrimRight(line, "\r\n")):]
	if ending == "" {
		ending = "\n"
		line += ending
	}
	indent := strings.Repeat(" ", p.Column-1)
	for i, key := range path {
		line += indent + strings.Repeat("  ", i) + key + ":"
		if i == len(path)-1 {
			line += " " + value
		}
		line += ending
	}
	ed.lines[p.Line-1] = line
	return nil
}

// insertFlow puts text right after the opening brace.
func (ed *editor) insertFlow(m *ast.MappingNode, text string) error {
	if !ed.in(m.GetToken().Position) {
		return errNoPlace
	}
	before, rest := ed.cut(m.GetToken().Position)
	if !strings.HasPrefix(rest, "{") {
		return fmt.Errorf("its { was not found")
	}
	if len(m.Values) > 0 {
		text += ", "
	}
	ed.lines[m.GetToken().Position.Line-1] = before + "{" + text + rest[1:]
	return nil
}

// lastOneLiner is the last key of a mapping whose value stands in the same line.
func lastOneLiner(m *ast.MappingNode) *ast.MappingValueNode {
	var found *ast.MappingValueNode
	for _, kv := range m.Values {
		switch kv.Value.(type) {
		case *ast.StringNode, *ast.BoolNode, *ast.IntegerNode:
		default:
			continue
		}
		t := kv.Value.GetToken()
		if t.Position.Line == kv.Key.GetToken().Position.Line && !bytes.ContainsAny([]byte(t.Value), "\n") {
			found = kv
		}
	}
	return found
}
