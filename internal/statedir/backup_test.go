package statedir

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var made = time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)

// backedUp is a state directory with all kinds of files, and an archive of it.
func backedUp(t *testing.T) (dir, file string, m Manifest) {
	t.Helper()
	dir, out := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"temporal.db": "not copied", "temporal.db-wal": "log", "temporal.db.before-v0.11-x": "old", "nightshift.lock": "{}",
		"address.json": "{}", "manual.md": "# by hand", "pages/home.md": "more", "x.new": "half", "pages/.home.md-123": "half", ".nightshift-backup-1/copy.db": "this copy", "simulated/temporal.db": "toy"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	database := filepath.Join(out, "copy")
	require.NoError(t, os.WriteFile(database, []byte(strings.Repeat("the runs ", 10_000)), 0o600))
	names, err := BackupFiles(dir)
	require.NoError(t, err)
	file = filepath.Join(out, "b.tar.gz")
	m, err = WriteBackup(file, Manifest{Made: made, Version: "v1", Schema: 11, Instance: "desk:/state"}, dir, database, names)
	require.NoError(t, err)
	return dir, file, m
}

func accept(Manifest) error { return nil }

func TestABackupHoldsTheStateAndNothingElse(t *testing.T) {
	_, file, m := backedUp(t)
	var names []string
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"temporal.db", "manual.md", "pages/home.md"}, names)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoFileExists(t, file+".new")

	to := t.TempDir()
	got, err := ReadBackup(file, to, accept)
	require.NoError(t, err)
	require.Equal(t, m, got)
	b, err := os.ReadFile(filepath.Join(to, "temporal.db"))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("the runs ", 10_000), string(b))
	b, err = os.ReadFile(filepath.Join(to, "pages", "home.md"))
	require.NoError(t, err)
	require.Equal(t, "more", string(b))
}

func TestABackupReplacesNothing(t *testing.T) {
	dir, file, _ := backedUp(t)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	_, err = WriteBackup(file, Manifest{}, dir, file, nil)
	require.ErrorContains(t, err, "is there already")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NoError(t, os.WriteFile(file+"2.new", []byte("killed"), 0o644))
	_, err = WriteBackup(file+"2", Manifest{}, dir, file, nil)
	require.NoError(t, err, "what a killed backup left is in nobody's way")
	info, err := os.Stat(file + "2")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// rewrite makes an archive anew, with its manifest and its entries changed.
func rewrite(t *testing.T, file string, manifest func(*Manifest), entries func(h *tar.Header, b []byte) []byte) string {
	t.Helper()
	in, err := os.Open(file)
	require.NoError(t, err)
	defer in.Close()
	zip, err := gzip.NewReader(in)
	require.NoError(t, err)
	r := tar.NewReader(zip)
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	w := tar.NewWriter(zw)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		if h.Name == manifestFile {
			var m Manifest
			require.NoError(t, json.Unmarshal(b, &m))
			manifest(&m)
			b, err = json.Marshal(m)
			require.NoError(t, err)
		} else if b = entries(h, b); b == nil {
			continue
		}
		h.Size = int64(len(b))
		require.NoError(t, w.WriteHeader(h))
		_, err = w.Write(b)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, zw.Close())
	changed := filepath.Join(t.TempDir(), "changed.tar.gz")
	require.NoError(t, os.WriteFile(changed, out.Bytes(), 0o600))
	return changed
}

func TestBackupsThatAreRefused(t *testing.T) {
	_, file, _ := backedUp(t)
	same := func(_ *tar.Header, b []byte) []byte { return b }
	asIs := func(*Manifest) {}
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	raw := func(b []byte) string {
		f := filepath.Join(t.TempDir(), "raw")
		require.NoError(t, os.WriteFile(f, b, 0o600))
		return f
	}
	for _, c := range []struct{ name, file, says string }{
		{"none", "nowhere.tar.gz", "there is no backup nowhere.tar.gz"},
		{"text", raw([]byte("hello")), "no gzip archive"},
		{"cut off", raw(whole[:len(whole)-20]), "damaged or cut off"},
		{"cut off in the middle", raw(whole[:len(whole)/2]), ""},
		{"of a newer format", rewrite(t, file, func(m *Manifest) { m.Format = 2 }, same), "newer nightshift (v1, format 2"},
		{"a changed file", rewrite(t, file, asIs, func(h *tar.Header, b []byte) []byte {
			if h.Name == "manual.md" {
				b[0] = 'x'
			}
			return b
		}), "manual.md does not have its checksum"},
		{"a longer file", rewrite(t, file, asIs, func(_ *tar.Header, b []byte) []byte { return append(b, 0) }), "not as its list says"},
		{"a missing file", rewrite(t, file, asIs, func(h *tar.Header, b []byte) []byte {
			if h.Name == "manual.md" {
				return nil
			}
			return b
		}), "manual.md is missing"},
		{"a file too many", rewrite(t, file, func(m *Manifest) { m.Files = m.Files[:2] }, same), "more in it than its list says"},
		{"no database", rewrite(t, file, func(m *Manifest) { m.Files = m.Files[1:] }, same), "no database"},
		{"a way out", rewrite(t, file, func(m *Manifest) { m.Files[1].Name = "../evil" }, func(h *tar.Header, b []byte) []byte {
			if h.Name == "manual.md" {
				h.Name = "../evil"
			}
			return b
		}), "no file of a state directory"},
		{"a link", rewrite(t, file, asIs, func(h *tar.Header, b []byte) []byte {
			if h.Name == "manual.md" {
				h.Typeflag, h.Linkname = tar.TypeSymlink, "/etc/passwd"
				return []byte{}
			}
			return b
		}), "not as its list says"},
		{"a file twice", rewrite(t, file, func(m *Manifest) { m.Files[2] = m.Files[1] }, same), "no file of a state directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadBackup(c.file, t.TempDir(), accept)
			require.Error(t, err)
			require.ErrorContains(t, err, c.says)
		})
	}
	to := t.TempDir()
	_, err = ReadBackup(file, to, func(Manifest) error { return errors.New("not this one") })
	require.ErrorContains(t, err, "not this one")
	empty, err := Empty(to)
	require.NoError(t, err)
	require.True(t, empty, "looked at before anything is unpacked")
}

func TestInstallLosesNothing(t *testing.T) {
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	fill := func(dir, file string) {
		require.NoError(t, os.MkdirAll(at(dir), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(at(dir), file), nil, 0o600))
	}
	fill("new", "temporal.db")
	fill("state", lockFile)
	aside, err := Install(at("new"), at("state"), made)
	require.NoError(t, err)
	require.Empty(t, aside, "a lock alone is nothing to keep")
	require.FileExists(t, filepath.Join(at("state"), "temporal.db"))

	fill("newer", "other.db")
	aside, err = Install(at("newer"), at("state"), made)
	require.NoError(t, err)
	require.Equal(t, at("state")+".before-restore-20261120T220000Z", aside)
	require.FileExists(t, filepath.Join(aside, "temporal.db"))
	require.FileExists(t, filepath.Join(at("state"), "other.db"))
}

// A power cut may come between the two renames of a restore: what would be served then is a state without runs and debts.
func TestARestoreThatWasBrokenOff(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	require.NoError(t, Whole(dir), "nothing was ever served")
	prepared := Restoring(dir)
	require.NoError(t, os.MkdirAll(prepared, 0o700))
	require.ErrorContains(t, Whole(dir), "was broken off, and nothing is there: run `nightshift restore` again")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.Error(t, Whole(dir))
	require.NoError(t, os.WriteFile(Database(dir), nil, 0o600))
	require.NoError(t, Whole(dir), "one into another state, which stands")
}

func TestTheNoteAboutARestore(t *testing.T) {
	dir := t.TempDir()
	_, ok, err := ReadRestored(dir)
	require.NoError(t, err)
	require.False(t, ok)
	r := Restored{At: made, Made: made.Add(-time.Hour), Runs: []string{"r1"}}
	require.NoError(t, WriteRestored(dir, r))
	got, ok, err := ReadRestored(dir)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, r, got)
	require.NoError(t, os.WriteFile(RestoredFile(dir), []byte("{"), 0o600))
	_, ok, err = ReadRestored(dir)
	require.ErrorContains(t, err, restoredFile+", is damaged")
	require.False(t, ok)
}
