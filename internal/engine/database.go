package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"nightshift/internal/wholefile"
)

// checkTime bounds the look for damage at start: a file of many years is started anyway.
const checkTime = 5 * time.Second

// database is the engine's SQLite file while no server has it open.
type database struct {
	file string
	free func(path string) (uint64, error)
	warn func(msg string, args ...any)
	// step is called between the stages of a set-up; tests end the process there.
	step func(stage string)
}

// prepare makes the file one that this version's server can open: set up when there is none, checked and migrated otherwise.
func (d *database) prepare(ctx context.Context) error {
	info, err := os.Stat(d.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d.create(ctx)
	case err != nil:
		return fmt.Errorf("open database: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("open database: %s is not a file", d.file)
	case info.Size() == 0:
		// Never set up anew in silence: it is what a broken file system leaves of a history.
		return fmt.Errorf("database %s is empty: put a copy of it back, or remove it to begin without history", d.file)
	}
	db, err := openSQLite(d.file, "rw")
	if err != nil {
		return explain(d.file, "open", err)
	}
	err = d.check(ctx, db)
	if err == nil {
		err = d.migrate(ctx, db, info.Size())
	}
	return errors.Join(err, db.Close())
}

// create sets a new file up under another name: one that a kill left half-way never gets the real name.
func (d *database) create(ctx context.Context) error {
	if err := d.setOrphansAside(); err != nil {
		return err
	}
	tmp := d.file + ".new"
	for _, f := range []string{tmp, tmp + "-journal", tmp + "-wal", tmp + "-shm"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set up database: %w", err)
		}
	}
	if err := touch(tmp); err != nil {
		return fmt.Errorf("set up database: %w", err)
	}
	db, err := openSQLite(tmp, "rw")
	if err != nil {
		return explain(tmp, "set up", err)
	}
	err = inTransaction(ctx, db, d.createSchema)
	if err := errors.Join(err, db.Close()); err != nil {
		return explain(tmp, "set up", err)
	}
	if err := os.Rename(tmp, d.file); err != nil {
		return fmt.Errorf("set up database: %w", err)
	}
	return wholefile.SyncDir(filepath.Dir(d.file))
}

// setOrphansAside moves away the log of a database that somebody removed: SQLite would play it into the new one.
func (d *database) setOrphansAside() error {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		orphan := d.file + suffix
		if _, err := os.Lstat(orphan); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		to := orphan + ".orphan-" + stamp()
		if err := os.Rename(orphan, to); err != nil {
			return fmt.Errorf("set aside what a removed database left: %w", err)
		}
		d.warn("the database was removed but not its log: set aside", "file", to)
	}
	return nil
}

// check looks for damage, for as long as checkTime allows.
func (d *database) check(ctx context.Context, db *sql.DB) error {
	limited, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var verdict string
	err := db.QueryRowContext(limited, "PRAGMA quick_check(1)").Scan(&verdict)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return nil
	case err != nil:
		return explain(d.file, "check", err)
	case verdict != "ok":
		return damaged(d.file, verdict)
	}
	return nil
}

// openSQLite opens a file with one connection that waits for the disk.
func openSQLite(file, mode string) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_pragma": {"busy_timeout=5000", "synchronous=full"}}
	db, err := sql.Open("sqlite", "file:"+escape(file)+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// escape makes a path one that can stand in a SQLite URI: state directories may have a ?, # or % in their name.
func escape(file string) string { return (&url.URL{Path: file}).EscapedPath() }

func touch(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func stamp() string { return time.Now().UTC().Format("20060102T150405Z") }

func inTransaction(ctx context.Context, db *sql.DB, do func(context.Context, *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(ctx, tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// explain says what an error of SQLite means to somebody who has never heard of SQLite.
func explain(file, doing string, err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("%s database %s: %w", doing, file, err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s is not a database: put a copy of it back, or move it away to begin without history (%w)", file, err)
	case sqlite3.SQLITE_CORRUPT:
		return damaged(file, err.Error())
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("disk full: %s database %s: free some space there, or move the state directory with --state-dir (%w)", doing, file, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("database %s cannot be written: is it this user's, on a file system that is mounted for writing? (%w)", file, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("database %s is in use by another program: close that one (%w)", file, err)
	default:
		return fmt.Errorf("%s database %s: %w", doing, file, err)
	}
}

func damaged(file, what string) error {
	return fmt.Errorf("database %s is damaged (%s): move it away and put a copy of it back, or begin without history; the lab itself is not touched by either", file, what)
}
