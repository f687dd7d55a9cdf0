package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// A File is what a plan is kept in between `plan --out` and `run --plan`. The hash says that nobody changed the plan in between.
type File struct {
	Hash string `json:"hash"`
	Plan Plan   `json:"plan"`
}

// ErrChanged is in the error about a file whose plan is not the one any more that was written.
var ErrChanged = errors.New("was changed after it was made")

// FileOf is the file of a plan.
func FileOf(p Plan) File { return File{p.Hash(), p} }

// Text is what is written into a file.
func (f File) Text() ([]byte, error) {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the plan: %w", err)
	}
	return append(b, '\n'), nil
}

// ParseFile reads the text of a file, whose plan may be carried out: of a schema that is known here, valid, and unchanged since
// it was written (ErrChanged). Its errors go on after the name of the file. With ErrChanged the plan comes too: it names the
// runbook that is to be planned again.
func ParseFile(b []byte) (Plan, error) {
	hash, p, err := parseFile(b)
	if err != nil {
		return Plan{}, fmt.Errorf("is not a plan file: %w", err)
	}
	if p.Schema > SchemaVersion {
		return Plan{}, fmt.Errorf("was made by a newer nightshift (plan schema %d, this one knows %d)", p.Schema, SchemaVersion)
	}
	if err := p.Validate(); err != nil {
		return Plan{}, fmt.Errorf("is not a valid plan: %w", err)
	}
	if got := p.Hash(); got != hash {
		return p, fmt.Errorf("%w (its hash is %s, it says %s)", ErrChanged, ShortHash(got), ShortHash(hash))
	}
	return p, nil
}

// parseFile tells in which line a file is no JSON.
func parseFile(b []byte) (hash string, p Plan, err error) {
	var f struct {
		Hash string          `json:"hash"`
		Plan json.RawMessage `json:"plan"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			err = fmt.Errorf("line %d: %w", 1+bytes.Count(b[:min(int(syntax.Offset), len(b))], []byte("\n")), err)
		}
		return "", p, err
	}
	if len(f.Plan) == 0 {
		return "", p, errors.New(`it has no "plan"`)
	}
	p, err = Decode(f.Plan)
	return f.Hash, p, err
}
