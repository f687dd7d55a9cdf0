package statedir

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tarOf is a tar archive, not zipped, of a manifest and files.
func tarOf(t testing.TB, m Manifest, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	list, err := json.Marshal(m)
	require.NoError(t, err)
	for i, text := range append([]string{string(list)}, files...) {
		name := manifestFile
		if i > 0 {
			if name = m.Files[i-1].Name; name == "" || strings.HasSuffix(name, "/") || strings.Contains(name, "\x00") {
				name = "what tar cannot write"
			}
		}
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600, Typeflag: tar.TypeReg}))
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	require.NoError(t, err)
	_, err = w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

const shaOfX = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" // "x"

// FuzzReadBackup: an archive is refused, or unpacked to what its list says and nothing else, and nothing beside the directory.
func FuzzReadBackup(f *testing.F) {
	database := BackupFile{Name: databaseFile, Size: 1, SHA256: shaOfX}
	whole := tarOf(f, Manifest{Format: 1, Files: []BackupFile{database, {Name: "pages/a.md", Size: 1, SHA256: shaOfX}}}, "x", "x")
	f.Add(whole)
	f.Add(whole[:len(whole)-1200])
	for _, name := range []string{"../x", "/x", ".", "a/../b", "a//b", databaseFile + "/x", "nul", "a\x00b"} {
		f.Add(tarOf(f, Manifest{Format: 1, Files: []BackupFile{database, {Name: name, Size: 1, SHA256: shaOfX}}}, "x", "x"))
	}
	f.Add(tarOf(f, Manifest{Format: 1, Files: []BackupFile{{Name: databaseFile, Size: 1 << 40}}}, "x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		base := t.TempDir()
		dir := filepath.Join(base, "state")
		require.NoError(t, os.Mkdir(dir, 0o700))
		z := zipped(t, b)
		m, err := unpack(bytes.NewReader(z), int64(len(z)), dir, accept)
		var files []string
		require.NoError(t, filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				name, err := filepath.Rel(dir, path)
				require.NoError(t, err)
				require.True(t, filepath.IsLocal(name), name)
				require.True(t, d.Type().IsRegular(), name)
				files = append(files, filepath.ToSlash(name))
			}
			return err
		}))
		if err != nil {
			return
		}
		var listed []string
		for _, want := range m.Files {
			got, err := sum(want.Name, filepath.Join(dir, filepath.FromSlash(want.Name)))
			require.NoError(t, err)
			require.Equal(t, want, got)
			listed = append(listed, want.Name)
		}
		slices.Sort(listed)
		slices.Sort(files)
		require.Equal(t, listed, files)
	})
}

// FuzzStateFiles: small files of a state directory are read or refused by name, and written as they were read.
func FuzzStateFiles(f *testing.F) {
	for _, s := range []string{"", "{}", "null", `{"temporal":"127.0.0.1:7233","namespace":"nightshift","pid":4711,"started":"2026-11-20T22:00:00Z"}`, `{"pid":-1}`, `{"pid":1e99}`,
		`{"at":"2026-11-20T22:00:00Z","made":"2026-11-19T22:00:00Z","runs":["power-down-home-1"],"schedules":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		for _, name := range []string{addressFile, lockFile, restoredFile} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
		readHolder(dir)
		a, err := readAddressFile(dir)
		if err != nil {
			require.ErrorContains(t, err, addressFile)
		} else {
			text, err := json.Marshal(a)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, addressFile), text, 0o600))
			again, err := readAddressFile(dir)
			require.NoError(t, err)
			require.True(t, a.Started.Equal(again.Started))
			again.Started = a.Started
			require.Equal(t, a, again)
		}
		r, ok, err := ReadRestored(dir)
		require.Equal(t, err == nil, ok)
		if err != nil {
			require.ErrorContains(t, err, restoredFile)
			return
		}
		require.NoError(t, WriteRestored(dir, r))
		again, _, err := ReadRestored(dir)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(len(r.Runs), r.Instance), fmt.Sprint(len(again.Runs), again.Instance))
	})
}

// What an archive promises is compared with its size and with the disk, before anything is written.
func TestABackupThatUnfoldsToTooMuchIsRefused(t *testing.T) {
	list := func(sizes ...int64) Manifest {
		m := Manifest{Format: 1}
		for i, n := range sizes {
			m.Files = append(m.Files, BackupFile{Name: fmt.Sprint("f", i), Size: n})
		}
		m.Files[0].Name = databaseFile
		return m
	}
	zeros := int64(1 << 30)
	for name, m := range map[string]Manifest{
		"a gigabyte of zeros": list(zeros),
		"many files of some":  list(slices.Repeat([]int64{2 << 20}, 1000)...),
		"more than there is":  list(math.MaxInt64),
		"a sum that wraps":    list(math.MaxInt64, math.MaxInt64, 2),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			z := zipped(t, tarOf(t, m))
			_, err := unpack(bytes.NewReader(z), zeros/1000, dir, accept)
			require.ErrorContains(t, err, "this is no backup of nightshift")
			empty, err := Empty(dir)
			require.NoError(t, err)
			require.True(t, empty)
		})
	}
	m := list(1 << 60)
	require.ErrorContains(t, m.fits(1<<55, t.TempDir()), "disk full")
	require.NoError(t, list(20<<20).fits(1<<20, t.TempDir()))
}

// The names in a list are those that nightshift writes: no other spelling of one, and not the directory itself.
func TestABackupWithOddNamesIsRefused(t *testing.T) {
	for _, name := range []string{".", "a/../b", "a//b", "./a", "a/", "../a", "/a", ""} {
		z := zipped(t, tarOf(t, Manifest{Format: 1, Files: []BackupFile{{Name: databaseFile, Size: 1, SHA256: shaOfX}, {Name: name, Size: 1, SHA256: shaOfX}}}, "x", "x"))
		_, err := unpack(bytes.NewReader(z), int64(len(z)), t.TempDir(), accept)
		require.ErrorContains(t, err, "no file of a state directory", "%q", name)
	}
}
