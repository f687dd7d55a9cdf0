package engine

import (
	"context"
	"database/sql"
	"errors"
	"slices"
)

const listObjects = `
	SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'
	UNION ALL
	SELECT 'column ' || s.name || '.' || c.name FROM sqlite_schema s, pragma_table_xinfo(s.name) c WHERE s.type = 'table'`

// freshObjects lists what a file set up by this version has: tables, columns, indices, triggers.
func freshObjects(ctx context.Context) (map[string]bool, error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // each connection would be a database of its own
	var found map[string]bool
	err = inTransaction(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
		if err := new(database).createSchema(ctx, tx); err != nil {
			return err
		}
		found, err = objects(ctx, tx)
		return err
	})
	return found, errors.Join(err, db.Close())
}

func objects(ctx context.Context, db querier) (map[string]bool, error) {
	rows, err := db.QueryContext(ctx, listObjects)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := make(map[string]bool)
	for rows.Next() {
		var object string
		if err := rows.Scan(&object); err != nil {
			return nil, err
		}
		found[object] = true
	}
	return found, rows.Err()
}

// lacks lists, sorted, what is expected but not in the database.
func lacks(ctx context.Context, db querier, expected map[string]bool) ([]string, error) {
	found, err := objects(ctx, db)
	if err != nil {
		return nil, err
	}
	var missing []string
	for object := range expected {
		if !found[object] {
			missing = append(missing, object)
		}
	}
	slices.Sort(missing)
	return missing, nil
}
