package yamlfile

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

// MaxFile is how large a file may be, in bytes.
const MaxFile = 1 << 20

const (
	maxNesting = 32     // of brackets, or of "- - -" in one line
	maxKeys    = 50_000 // the parser's time grows with the square of the keys of a mapping
)

// A Kind of file is how errors speak of it.
type Kind struct {
	Noun    string // "lab file"
	Example string // where one can be seen: "see examples/minimal/lab.yaml"
}

// Parse reads one YAML document that is a mapping, without the parts of YAML that such a file has no use for
// (anchors, aliases, tags, directives): they are how a small file becomes an endless one.
func (k Kind) Parse(name string, data []byte) (*ast.MappingNode, *Error) {
	if e := k.checkBytes(name, data); e != nil {
		return nil, e
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	return k.parseTokens(name, data)
}

func (k Kind) checkBytes(name string, data []byte) *Error {
	if len(data) > MaxFile {
		return &Error{File: name, Problem: fmt.Sprintf("the file is larger than %d MiB", MaxFile>>20), Remedy: "is it a " + k.Noun + "?"}
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
func (k Kind) parseTokens(name string, data []byte) (m *ast.MappingNode, e *Error) {
	defer func() {
		if r := recover(); r != nil {
			m, e = nil, &Error{File: name, Problem: "not readable as YAML", Remedy: "check indentation, quotes and brackets"}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if e := k.checkTokens(name, tokens); e != nil {
		return nil, e
	}
	// Double keys are found by the decoder, which says where, and goes on.
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(name, err)
	}
	return k.document(name, f)
}

// document is the mapping at the top of the only document.
func (k Kind) document(name string, f *ast.File) (*ast.MappingNode, *Error) {
	if len(f.Docs) > 1 {
		p := f.Docs[1].GetToken().Position
		return nil, &Error{File: name, Line: p.Line, Column: p.Column, Problem: "a second YAML document begins here",
			Remedy: "a " + k.Noun + " is one document: remove the line ---"}
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil || f.Docs[0].Body.Type() == ast.NullType {
		return nil, &Error{File: name, Problem: "the file is empty", Remedy: k.Example}
	}
	m, ok := f.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		p := f.Docs[0].Body.GetToken().Position
		return nil, &Error{File: name, Line: p.Line, Column: p.Column, Problem: "want keys and values, got " + KindOf(f.Docs[0].Body),
			Remedy: k.Example}
	}
	return m, nil
}

func (k Kind) checkTokens(name string, tokens token.Tokens) *Error {
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
			return fail(fmt.Sprintf("more than %d keys", maxKeys), "is it a "+k.Noun+"?")
		}
		if brackets > maxNesting || dashes > maxNesting {
			return fail("nested too deeply", "a "+k.Noun+" never needs that")
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

// KindOf is what a node is, in a person's words.
func KindOf(n ast.Node) string {
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
