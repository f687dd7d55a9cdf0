package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.temporal.io/server/schema"
	sqliteschema "go.temporal.io/server/schema/sqlite"

	"nightshift/internal/statedir"
	"nightshift/internal/wholefile"
)

// Where the server keeps the SQL of its SQLite schema.
const (
	schemaDir        = "sqlite/v3/temporal"
	visibilityScript = "sqlite/v3/visibility/schema.sql"
)

// querier is a database or a transaction on it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// createSchema fills an empty database. The server does not write the schema's version into a SQLite file; PRAGMA
// user_version keeps it for the next release.
func (d *database) createSchema(ctx context.Context, tx *sql.Tx) error {
	want, err := schemaVersion()
	if err != nil {
		return err
	}
	for _, script := range []string{schemaDir + "/schema.sql", visibilityScript} {
		if err := run(ctx, tx, script); err != nil {
			return err
		}
		d.reached(script)
	}
	return setVersion(ctx, tx, want)
}

func (d *database) reached(stage string) {
	if d.step != nil {
		d.step(stage)
	}
}

// migrate brings a file of an older nightshift to this one's schema, after a copy of it. The server itself never does.
func (d *database) migrate(ctx context.Context, db *sql.DB, size int64) error {
	have, want, err := d.versions(ctx, db)
	if err != nil {
		return err
	}
	expected, err := freshObjects(ctx)
	if err != nil {
		return err
	}
	missing, err := lacks(ctx, db, expected)
	if err != nil {
		return explain(d.file, "read", err)
	}
	if have == want && len(missing) == 0 {
		return nil
	}
	saved, err := d.save(ctx, db, want, size)
	if err != nil {
		return err
	}
	err = inTransaction(ctx, db, func(ctx context.Context, tx *sql.Tx) error { return upgrade(ctx, tx, have, want, expected) })
	if err != nil {
		return fmt.Errorf("%w; it is as it was, and a copy is in %s", explain(d.file, fmt.Sprintf("migrate (schema %s to %s)", name(have), name(want)), err), saved)
	}
	d.warn("the database was brought to a newer schema", "from", name(have), "to", name(want), "copy", saved)
	return nil
}

func (d *database) versions(ctx context.Context, db *sql.DB) (have, want int, err error) {
	if want, err = schemaVersion(); err != nil {
		return 0, 0, err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return 0, 0, explain(d.file, "open", err)
	}
	switch {
	case have == 0:
		return 0, 0, fmt.Errorf("database %s was not made by nightshift: move it away, or name another state directory with --state-dir", d.file)
	case have > want:
		return 0, 0, fmt.Errorf("database %s was written by a newer nightshift (schema %s, this one knows %s): use that one, or put back the copy that it made beside the file", d.file, name(have), name(want))
	}
	return have, want, nil
}

// upgrade runs the server's versioned scripts, then adds what the server's schema gained without a new version number.
func upgrade(ctx context.Context, tx *sql.Tx, have, want int, expected map[string]bool) error {
	for v := have + 1; v <= want; v++ {
		scripts, err := versionedScripts(v)
		if err != nil {
			return err
		}
		for _, script := range scripts {
			if err := run(ctx, tx, script); err != nil {
				return err
			}
		}
	}
	if err := addColumns(ctx, tx, expected); err != nil {
		return err
	}
	missing, err := lacks(ctx, tx, expected)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return fmt.Errorf("the file lacks %s, which no migration adds", strings.Join(missing, ", "))
	}
	return setVersion(ctx, tx, want)
}

// generated finds the visibility table's columns that are computed from the search attributes.
var generated = regexp.MustCompile(`(?m)^\s+(\w+)\s+(\S.*GENERATED ALWAYS AS .*?)(\s+STORED)?,?$`)

// addColumns adds computed visibility columns that the file lacks. New ones come without a schema version: 1.32 has two
// more than 1.30. A stored column cannot be added to a table; a computed one answers the same queries.
func addColumns(ctx context.Context, tx *sql.Tx, expected map[string]bool) error {
	missing, err := lacks(ctx, tx, expected)
	if err != nil || len(missing) == 0 {
		return err
	}
	script, err := fs.ReadFile(schema.Assets(), visibilityScript)
	if err != nil {
		return err
	}
	for _, column := range generated.FindAllStringSubmatch(string(script), -1) {
		for _, m := range missing {
			if m != "column executions_visibility."+column[1] {
				continue
			}
			if _, err := tx.ExecContext(ctx, "ALTER TABLE executions_visibility ADD COLUMN "+column[1]+" "+column[2]); err != nil {
				return fmt.Errorf("add %s: %w", m, err)
			}
		}
	}
	return nil
}

// save copies the database beside itself and says where. The copy is whole before it has its name.
func (d *database) save(ctx context.Context, db *sql.DB, want int, size int64) (string, error) {
	if err := statedir.CheckFree(filepath.Dir(d.file), uint64(size)+statedir.MinFree, d.free); err != nil {
		return "", fmt.Errorf("copy the database before it is migrated: %w", err)
	}
	to := fmt.Sprintf("%s.before-v%s-%s", d.file, name(want), stamp())
	tmp := d.file + ".copy"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("copy the database before it is migrated: %w", err)
	}
	if err := touch(tmp); err != nil { // VACUUM INTO would let others read it
		return "", fmt.Errorf("copy the database before it is migrated: %w", err)
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", tmp); err != nil {
		return "", explain(d.file, "copy", err)
	}
	if err := syncFile(tmp); err != nil {
		return "", fmt.Errorf("copy the database before it is migrated: %w", err)
	}
	if err := os.Rename(tmp, to); err != nil {
		return "", fmt.Errorf("copy the database before it is migrated: %w", err)
	}
	return to, wholefile.SyncDir(filepath.Dir(d.file))
}

func syncFile(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// schemaVersion is the server's schema version as a number: 0.11 is 11.
func schemaVersion() (int, error) {
	major, minor, _ := strings.Cut(sqliteschema.Version, ".")
	n, err := strconv.Atoi(minor)
	if err != nil || major != "0" {
		return 0, fmt.Errorf("the server's SQLite schema has version %s, which this nightshift cannot count", sqliteschema.Version)
	}
	return n, nil
}

func name(version int) string { return fmt.Sprintf("0.%d", version) }

func setVersion(ctx context.Context, tx *sql.Tx, version int) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
	return err
}

func run(ctx context.Context, tx *sql.Tx, script string) error {
	b, err := fs.ReadFile(schema.Assets(), script)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(b)); err != nil {
		return fmt.Errorf("%s: %w", script, err)
	}
	return nil
}

func versionedScripts(version int) ([]string, error) {
	dir := path.Join(schemaDir, "versioned", "v"+name(version))
	b, err := fs.ReadFile(schema.Assets(), path.Join(dir, "manifest.json"))
	if err != nil {
		return nil, err
	}
	var manifest struct{ SchemaUpdateCqlFiles []string }
	if err := json.Unmarshal(b, &manifest); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	for i, f := range manifest.SchemaUpdateCqlFiles {
		manifest.SchemaUpdateCqlFiles[i] = path.Join(dir, f)
	}
	return manifest.SchemaUpdateCqlFiles, nil
}
