package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxFile    = 1 << 20 // bytes
	maxNesting = 32      // of brackets, or of "- - -" in one line
	maxKeys    = 50_000  // the parser's time grows with the square of the keys of a mapping
)

// parseYAML reads one YAML document that is a mapping, without the parts of YAML that a lab file has no use for
// (anchors, aliases, tags, directives): they are how a small file becomes an endless one.
func parseYAML(name string, data []byte) (*ast.MappingNode, *Error) {
	if e := checkBytes(name, data); e != nil {
		return nil, e
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	return parseTokens(name, data)
}

func checkBytes(name string, data []byte) *Error {
	if len(data) > maxFile {
		return &Error{File: name, Problem: fmt.Sprintf("the file is larger than %d MiB", maxFile>>20), Remedy: "is it a lab file?"}
	}
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return &Error{File: name, Line: line, Column: column, Problem: "not UTF-8", Remedy: "save the file as UTF-8"}
		case r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f:
			return &Error{File: name, Line: line, Column: column, Problem: fmt.Sprintf("control character %U", r), Remedy: "remove it"}
		case r == '\n':
			line, column = line+1, 0
		}
		i += n
		column++
	}
	return nil
}

// parseTokens turns a panic of the parser into an error: it is a library, and the file came from anywhere.
func parseTokens(name string, data []byte) (m *ast.MappingNode, e *Error) {
	defer func() {
		if r := recover(); r != nil {
			m, e = nil, &Error{File: name, Problem: "not readable as YAML", Remedy: "check indentation, quotes and brackets"}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if e := checkTokens(name, tokens); e != nil {
		return nil, e
	}
	// Double keys are found by the decoder, which says where, and goes on.
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(name, err)
	}
	return document(name, f)
}

// document is the mapping at the top of the only document.
func document(name string, f *ast.File) (*ast.MappingNode, *Error) {
	if len(f.Docs) > 1 {
		p := f.Docs[1].GetToken().Position
		return nil, &Error{File: name, Line: p.Line, Column: p.Column, Problem: "a second YAML document begins here",
			Remedy: "a lab file is one document: remove the line ---"}
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil || f.Docs[0].Body.Type() == ast.NullType {
		return nil, &Error{File: name, Problem: "the file is empty", Remedy: "see examples/minimal/lab.yaml"}
	}
	m, ok := f.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		p := f.Docs[0].Body.GetToken().Position
		return nil, &Error{File: name, Line: p.Line, Column: p.Column, Problem: "want keys and values, got " + kindOf(f.Docs[0].Body),
			Remedy: "see examples/minimal/lab.yaml"}
	}
	return m, nil
}

func checkTokens(name string, tokens token.Tokens) *Error {
	brackets, dashes, line, colons := 0, 0, 0, 0
	for _, t := range tokens {
		fail := func(problem, remedy string) *Error {
			return &Error{File: name, Line: t.Position.Line, Column: t.Position.Column, Problem: problem, Remedy: remedy}
		}
		if t.Position.Line != line {
			line, dashes = t.Position.Line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return fail("YAML anchors, aliases and merge keys are not allowed", "write it out; text that begins with & or * needs quotes")
		case token.TagType:
			return fail("YAML tags are not allowed", "remove it; text that begins with ! needs quotes")
		case token.DirectiveType:
			return fail("YAML directives are not allowed", "remove it; text that begins with % needs quotes")
		case token.MappingKeyType:
			return fail("YAML's ? keys are not allowed", "write key: value; text that begins with ? needs quotes")
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType:
			dashes++
		case token.MappingValueType:
			colons++
		}
		if colons > maxKeys {
			return fail(fmt.Sprintf("more than %d keys", maxKeys), "is it a lab file?")
		}
		if brackets > maxNesting || dashes > maxNesting {
			return fail("nested too deeply", "a lab file never needs that")
		}
	}
	return nil
}

// syntaxError keeps the message and the place. Never the source, which the library likes to quote: it may be a password.
func syntaxError(name string, err error) *Error {
	e := &Error{File: name, Problem: "not readable as YAML", Remedy: "check indentation, quotes and brackets"}
	var s *yaml.SyntaxError
	if !errors.As(err, &s) {
		return e
	}
	if s.Token != nil && s.Token.Position != nil {
		e.Line, e.Column = s.Token.Position.Line, s.Token.Position.Column
	}
	if strings.Contains(s.Message, "'\t'") {
		e.Problem, e.Remedy = "a tab is used for indentation", "YAML wants spaces"
		return e
	}
	message, _, _ := strings.Cut(s.Message, `"`)
	e.Problem = "not readable as YAML: " + strings.TrimRight(message, ": ")
	return e
}

// kindOf is what a node is, in a person's words.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.NullNode:
		return "nothing"
	}
	return "text"
}
