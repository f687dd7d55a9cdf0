package statedir

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nightshift/internal/wholefile"
)

// BackupFormat is the version of the archive's layout.
const BackupFormat = 1

// manifestFile is the archive's first entry. manifestMost bounds it: a list of thousands of files fits.
const (
	manifestFile = "nightshift-backup.json"
	manifestMost = 4 << 20
)

// A list may promise so many bytes for each byte of its archive, and some more: that of a true one, a database without
// free pages, is below 20. deflate could hide a thousand.
const (
	densest = 200
	anyway  = 16 << 20
)

// A Manifest says what is in a backup. Fields are only ever added.
type Manifest struct {
	Format     int       `json:"format"`
	Made       time.Time `json:"made"`
	Version    string    `json:"version"`       // of the nightshift that made it
	Schema     int       `json:"schema"`        // of the engine's database
	PlanSchema int       `json:"planSchema"`    // of the plans in its runs
	Lab        string    `json:"lab,omitempty"` // that was served, where a server was up
	// Instance is the name by which that nightshift marked the vCenters that it worked on.
	Instance string       `json:"instance"`
	Files    []BackupFile `json:"files"`
}

// A BackupFile is a file of a state directory, by its path below it, with slashes.
type BackupFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// BackupFiles lists what belongs into a backup beside the database, by path below the directory: not locks, addresses, logs
// of the database and its older copies, half-written files, or the simulated lab.
func BackupFiles(dir string) ([]string, error) {
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "simulated" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !d.Type().IsRegular() || name == lockFile || name == addressFile || strings.HasPrefix(name, databaseFile) || strings.HasSuffix(name, ".new") ||
			strings.HasPrefix(d.Name(), "."): // half-written, all of them
			return nil
		}
		list = append(list, name)
		return nil
	})
	return list, err
}

// WriteBackup writes an archive of the database's copy and of these files of the directory. It fills in the manifest's files.
// The archive has its name once it is whole and on disk, and only its owner can read it. A file that is there is not replaced.
func WriteBackup(file string, m Manifest, dir, database string, names []string) (Manifest, error) {
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s is there already: a backup replaces nothing, give it a name of its own", file)
	}
	sources := map[string]string{databaseFile: database}
	for _, n := range names {
		sources[filepath.ToSlash(n)] = filepath.Join(dir, n)
	}
	m.Format = BackupFormat
	for _, n := range append([]string{databaseFile}, names...) {
		n = filepath.ToSlash(n)
		f, err := sum(n, sources[n])
		if err != nil {
			return m, fmt.Errorf("back up %s: %w", n, err)
		}
		m.Files = append(m.Files, f)
	}
	tmp := file + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a backup that was killed
		return m, fmt.Errorf("write backup: %w", err)
	}
	out, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return m, fmt.Errorf("write backup: %w", err)
	}
	err = errors.Join(archive(out, m, sources), out.Sync(), out.Close())
	if err == nil {
		err = os.Rename(tmp, file)
	}
	if err != nil {
		return m, fmt.Errorf("write backup %s: %w", file, errors.Join(err, os.Remove(tmp)))
	}
	return m, wholefile.SyncDir(filepath.Dir(file))
}

func sum(name, path string) (BackupFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return BackupFile{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return BackupFile{Name: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

func archive(out io.Writer, m Manifest, sources map[string]string) error {
	zip := gzip.NewWriter(out)
	t := tar.NewWriter(zip)
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := entry(t, m, manifestFile, int64(len(b)), strings.NewReader(string(b))); err != nil {
		return err
	}
	for _, f := range m.Files {
		in, err := os.Open(sources[f.Name])
		if err != nil {
			return err
		}
		err = entry(t, m, f.Name, f.Size, in) // one that changed its size since it was summed fails
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), zip.Close())
}

func entry(t *tar.Writer, m Manifest, name string, size int64, in io.Reader) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: m.Made, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(t, in)
	return err
}

// ReadBackup unpacks an archive into an empty directory, after accept had a look at its manifest, and compares every file
// with its checksum. What it wrote before an error is the caller's to remove.
func ReadBackup(file, dir string, accept func(Manifest) error) (Manifest, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, fmt.Errorf("there is no backup %s", file)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("read backup: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Manifest{}, fmt.Errorf("read backup: %w", err)
	}
	m, err := unpack(f, info.Size(), dir, accept)
	if err != nil {
		return m, fmt.Errorf("backup %s: %w", file, err)
	}
	return m, nil
}

// unpack reads an archive of so many bytes.
func unpack(f io.Reader, size int64, dir string, accept func(Manifest) error) (Manifest, error) {
	zip, err := gzip.NewReader(f)
	if err != nil {
		return Manifest{}, errors.New("this is no backup of nightshift: it is no gzip archive")
	}
	t := tar.NewReader(zip)
	m, err := readManifest(t)
	if err != nil {
		return m, err
	}
	if err := accept(m); err != nil {
		return m, err
	}
	if err := m.fits(size, dir); err != nil {
		return m, err
	}
	for _, want := range m.Files {
		h, err := t.Next()
		if err != nil || h.Name != want.Name || h.Size != want.Size || h.Typeflag != tar.TypeReg {
			return m, fmt.Errorf("%s is missing or not as its list says: the archive is damaged or cut off", want.Name)
		}
		if err := unpackFile(t, dir, want); err != nil {
			return m, err
		}
	}
	switch _, err := t.Next(); {
	case err == nil:
		return m, errors.New("there is more in it than its list says: the archive is damaged")
	case !errors.Is(err, io.EOF):
		return m, errors.New("the archive is damaged or cut off")
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(zip, 1<<20)); err != nil { // to the archive's own checksum
		return m, errors.New("the archive is damaged or cut off")
	}
	return m, wholefile.SyncDir(dir)
}

func readManifest(t *tar.Reader) (m Manifest, err error) {
	h, err := t.Next()
	if err != nil || h.Name != manifestFile || h.Size > manifestMost {
		return m, errors.New("this is no backup of nightshift: it does not begin with " + manifestFile)
	}
	if err := json.NewDecoder(t).Decode(&m); err != nil {
		return m, fmt.Errorf("its %s is damaged: %w", manifestFile, err)
	}
	if m.Format > BackupFormat {
		return m, fmt.Errorf("it was made by a newer nightshift (%s, format %d, this one knows %d): use that one", m.Version, m.Format, BackupFormat)
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		if !fs.ValidPath(f.Name) || f.Name == "." || !filepath.IsLocal(filepath.FromSlash(f.Name)) || seen[f.Name] || f.Size < 0 {
			return m, fmt.Errorf("its list names %q, which is no file of a state directory", f.Name)
		}
		seen[f.Name] = true
	}
	if !seen[databaseFile] {
		return m, errors.New("it has no database")
	}
	return m, nil
}

// fits refuses, before anything is written, what unfolds to more than a backup does, or than there is space for.
func (m Manifest) fits(archive int64, dir string) error {
	most := min(archive, math.MaxInt64/densest-anyway)*densest + anyway
	sum := int64(0)
	for _, f := range m.Files {
		if f.Size > most-sum {
			return fmt.Errorf("its list promises more than %d MiB of an archive of %d KiB: this is no backup of nightshift", most>>20, archive>>10)
		}
		sum += f.Size
	}
	return CheckFree(dir, uint64(sum)+MinFree, FreeBytes)
}

func unpackFile(in io.Reader, dir string, want BackupFile) error {
	to := filepath.Join(dir, filepath.FromSlash(want.Name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(out, h), in, want.Size)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("%s: %w", want.Name, err)
	}
	if hex.EncodeToString(h.Sum(nil)) != want.SHA256 {
		return fmt.Errorf("%s does not have its checksum: the archive is damaged", want.Name)
	}
	return nil
}

// Empty tells whether nothing is kept in a directory: it is missing, or holds no more than a lock.
func Empty(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != lockFile }), err
}

// Restoring is where a state directory is prepared that is to take the place of the one at dir.
func Restoring(dir string) string { return dir + ".restoring" }

// Whole refuses a directory without a database for which a restore was begun and did not come to its end: what is owed and
// remembered would be gone with a new one.
func Whole(dir string) error {
	if _, err := os.Lstat(Database(dir)); err == nil {
		return nil
	}
	if _, err := os.Lstat(Restoring(dir)); err != nil {
		return nil //nolint:nilerr // none was begun
	}
	return fmt.Errorf("a restore into %s was broken off, and nothing is there: run `nightshift restore` again (what was there before, if anything, is in %s.before-restore-…), or remove %s to begin anew",
		dir, dir, Restoring(dir))
}

// Install gives a directory that was prepared beside it the name of the real one. A real one that is not empty is set
// aside first; its new name is answered. Nobody may have a lock on either.
func Install(prepared, dir string, now time.Time) (aside string, err error) {
	empty, err := Empty(dir)
	switch {
	case err != nil:
		return "", err
	case empty:
		err = os.RemoveAll(dir)
	default:
		aside = dir + ".before-restore-" + now.UTC().Format("20060102T150405Z")
		err = os.Rename(dir, aside)
	}
	if err == nil {
		err = os.Rename(prepared, dir)
	}
	if err != nil {
		return aside, fmt.Errorf("put the restored state directory in its place: %w", err)
	}
	return aside, wholefile.SyncDir(filepath.Dir(dir))
}

// Restored is what a directory that came out of a backup says about that, for whoever serves it.
type Restored struct {
	At        time.Time `json:"at"`
	Made      time.Time `json:"made"` // the backup
	Version   string    `json:"version"`
	Instance  string    `json:"instance"`
	Runs      []string  `json:"runs,omitempty"`      // that were open in the backup, and were terminated
	Schedules []string  `json:"schedules,omitempty"` // that were paused
}

// restoredFile lies in the directory until a person removes it.
const restoredFile = "restored.json"

// RestoredFile is the path of the note about a restore.
func RestoredFile(dir string) string { return filepath.Join(dir, restoredFile) }

// WriteRestored leaves the note.
func WriteRestored(dir string, r Restored) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return wholefile.Replace(RestoredFile(dir), append(b, '\n'))
}

// ReadRestored reads the note; false: there is none.
func ReadRestored(dir string) (r Restored, ok bool, err error) {
	b, err := os.ReadFile(RestoredFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return Restored{}, false, fmt.Errorf("the note about a restore, %s, is damaged (%w): the state is from a backup; once you have looked, remove it", RestoredFile(dir), err)
	}
	return r, true, nil
}
