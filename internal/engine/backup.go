package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nightshift/internal/statedir"
)

// Schema is the version of the database's schema that this engine writes. It brings older ones up to it, and refuses newer ones.
func Schema() (int, error) { return schemaVersion() }

// SchemaOf answers the version of a database's schema; a server may have it open.
func SchemaOf(ctx context.Context, file string) (schema int, err error) {
	db, err := openSQLite(file, "ro")
	if err != nil {
		return 0, explain(file, "open", err)
	}
	if err := errors.Join(db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&schema), db.Close()); err != nil {
		return 0, explain(file, "open", err)
	}
	return schema, nil
}

// Copy writes a consistent copy of a database, which a server may be writing to, into a new file that only its owner can
// read, and answers the version of its schema. A copy that could not be made whole is removed.
func Copy(ctx context.Context, from, to string) (schema int, err error) {
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("there is no database %s: nothing was ever served from there", from)
	}
	if err != nil {
		return 0, fmt.Errorf("copy database: %w", err)
	}
	if err := statedir.CheckFree(filepath.Dir(to), uint64(info.Size())+statedir.MinFree, statedir.FreeBytes); err != nil {
		return 0, err
	}
	if err := touch(to); err != nil { // VACUUM INTO would let others read it
		return 0, fmt.Errorf("copy database: %w", err)
	}
	schema, err = copyInto(ctx, from, to)
	if err != nil {
		return 0, errors.Join(err, os.Remove(to))
	}
	return schema, nil
}

func copyInto(ctx context.Context, from, to string) (int, error) {
	db, err := openSQLite(from, "rw") // a log that a killed server left is played in
	if err != nil {
		return 0, explain(from, "copy", err)
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	if err := errors.Join(err, db.Close()); err != nil {
		return 0, explain(from, "copy", err)
	}
	if err := syncFile(to); err != nil {
		return 0, fmt.Errorf("copy database: %w", err)
	}
	return Inspect(ctx, to)
}

// Inspect looks for damage in a database that no server has open, and answers the version of its schema.
func Inspect(ctx context.Context, file string) (schema int, err error) {
	db, err := openSQLite(file, "ro")
	if err != nil {
		return 0, explain(file, "open", err)
	}
	err = (&database{file: file}).check(ctx, db)
	if err == nil {
		err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&schema)
	}
	if err == nil && schema == 0 {
		err = fmt.Errorf("database %s was not made by nightshift", file)
	}
	return schema, errors.Join(err, db.Close())
}

// An Execution is a workflow that is open.
type Execution struct{ Namespace, Workflow string }

// OpenExecutions reads from a database which workflows are open, by namespace and id. Temporal's own list of them lags behind
// what is so, and would miss one that was started just before a copy was made.
func OpenExecutions(ctx context.Context, file string) ([]Execution, error) {
	db, err := openSQLite(file, "rw")
	if err != nil {
		return nil, explain(file, "read", err)
	}
	defer db.Close()
	const running = 1 // enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	rows, err := db.QueryContext(ctx, `SELECT n.name, e.workflow_id FROM current_executions e JOIN namespaces n ON n.id = e.namespace_id
		WHERE e.status = ? ORDER BY n.name, e.workflow_id`, running)
	if err != nil {
		return nil, explain(file, "read", err)
	}
	defer rows.Close()
	var list []Execution
	for rows.Next() {
		var e Execution
		if err := rows.Scan(&e.Namespace, &e.Workflow); err != nil {
			return nil, explain(file, "read", err)
		}
		list = append(list, e)
	}
	return list, rows.Err()
}
