package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml/token"

	"nightshift/internal/yamlfile"
)

// A Lab is a valid lab file with every default filled in: VCenter and Site of everything that has one, Address of hosts,
// tags, policies, limits. URLs have no slash at their end; fingerprints read "AA:BB:…". Treat it as read-only.
type Lab struct {
	File
	Path string `json:"-"` // of the file, absolute if it was loaded
	Dir  string `json:"-"` // that holds it: what relative paths in it start from
	Hash string `json:"-"` // SHA-256 of the file's bytes, lower-case hex

	places map[string]*token.Position // of each field that is written down
}

// Load reads the lab file at path. What is wrong with its content is an Errors.
func Load(path string) (*Lab, error) { return load(path, false) }

// LoadForTrust is Load for `nightshift lab trust`, which is there to fill them in: missing fingerprints are no error.
func LoadForTrust(path string) (*Lab, error) { return load(path, true) }

// Parse is Load for what was read already. The name stands in errors, and its directory is the lab's.
func Parse(name string, data []byte) (*Lab, error) { return parse(name, data, false) }

func load(path string, untrusted bool) (*Lab, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	l, err := parse(path, data, untrusted)
	if err != nil {
		return nil, err
	}
	if l.Path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("find the lab file %s: %w", path, err)
	}
	l.Dir = filepath.Dir(l.Path)
	return l, nil
}

// readFile stops reading where a lab file would be too large anyway.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{File: path, Problem: "there is no such lab file", Remedy: "nightshift lab import writes a first one; or copy examples/minimal/lab.yaml and fill it in"}
	}
	if err != nil {
		return nil, fmt.Errorf("read the lab file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, yamlfile.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the lab file: %w", err)
	}
	return data, nil
}

func parse(name string, data []byte, untrusted bool) (*Lab, error) {
	f, d := decode(name, data)
	if d.At != nil {
		c := checker{Decoder: d, unread: d.Unread, f: &f, untrusted: untrusted}
		c.check()
	}
	if err := yamlfile.AsError(d.Problems); err != nil {
		return nil, err
	}
	l := &Lab{File: f, Path: name, Dir: filepath.Dir(name), Hash: hashOf(data), places: d.At}
	l.fillIn()
	return l, nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// decode reads the file as it is written. Without positions in the decoder, it was no YAML.
func decode(name string, data []byte) (File, *yamlfile.Decoder) {
	var f File
	m, e := labFile.Parse(name, data)
	if e != nil {
		return f, &yamlfile.Decoder{Problems: []*Error{e}}
	}
	d := newDecoder(name)
	d.Decode(m, &f)
	return f, d
}
