// Package schemagen makes the JSON Schemas (2020-12) of nightshift's YAML files from their Go types and the comments of
// these, for editors. Only the programs that `go generate` runs import it, so that nightshift does not carry the generator.
package schemagen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// A File is a kind of YAML file.
type File struct {
	Title, Description string
	// Program is the import path of the program that runs, in the directory of which it runs. The types are one directory above.
	Program string
	// Special are the types whose YAML form is not that of their Go type; nil for all others.
	Special func(reflect.Type) *jsonschema.Schema
	// Refine adds what types do not say. r reflects further ones.
	Refine func(r *jsonschema.Reflector, s *jsonschema.Schema)
}

// Generate makes the schema of a file that is decoded into a value of root's type.
func (f File) Generate(root any) ([]byte, error) {
	r := &jsonschema.Reflector{Anonymous: true, ExpandedStruct: true, Mapper: f.Special}
	if err := r.AddGoComments(f.Program, "..", jsonschema.WithFullComment()); err != nil {
		return nil, fmt.Errorf("read the comments above %s: %w", f.Program, err)
	}
	for k, text := range r.CommentMap {
		r.CommentMap[k] = strings.Join(strings.Fields(text), " ")
	}
	s := r.Reflect(root)
	s.Title, s.Description = f.Title, f.Description
	f.Refine(r, s)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return out.Bytes(), nil
}

// Main writes the schema to a file, and is all that such a program does.
func Main(output string, generate func() ([]byte, error)) {
	b, err := generate()
	if err == nil {
		err = os.WriteFile(output, b, 0o644) //nolint:gosec // a source file
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		os.Exit(1) //nolint:forbidigo,revive // the last line of a main
	}
}
