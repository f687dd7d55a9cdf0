//go:build e2e

package e2e

import (
	"bytes"
	"compress/zlib"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	_ "modernc.org/sqlite"
)

// requireNoSecrets looks for the secrets as they are, in base64 at any offset, and in hex.
func requireNoSecrets(t *testing.T, secrets []string, where string, data []byte) {
	t.Helper()
	for i, s := range secrets {
		for name, form := range forms(s) {
			require.False(t, bytes.Contains(data, form), "secret %d is in %s, in %s", i, where, name)
		}
	}
}

func forms(secret string) map[string][]byte {
	f := map[string][]byte{"clear": []byte(secret), "hex": []byte(hex.EncodeToString([]byte(secret)))}
	for off := range 3 { // base64 of a text depends on where in it the secret begins
		enc := base64.StdEncoding.EncodeToString(append(make([]byte, off), secret...))
		f[fmt.Sprint("base64 at ", off)] = []byte(enc[4 : len(enc)-4])
	}
	return f
}

// requireNoSecretsIn reads every file below dir, and every value of the SQLite database in it.
func requireNoSecretsIn(t *testing.T, secrets []string, dir string) {
	t.Helper()
	databases := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		requireNoSecrets(t, secrets, path, data)
		if filepath.Ext(path) == ".db" {
			databases++
			scanDatabase(t, secrets, path)
		}
		return nil
	}))
	require.Equal(t, 1, databases)
}

func scanDatabase(t *testing.T, secrets []string, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	require.NoError(t, err)
	defer db.Close()
	tables := column(t, db, "SELECT name FROM sqlite_master WHERE type = 'table'")
	values := 0
	for _, table := range tables {
		rows, err := db.Query("SELECT * FROM \"" + string(table) + "\"")
		require.NoError(t, err)
		names, err := rows.Columns()
		require.NoError(t, err)
		cells := make([]any, len(names))
		for i := range cells {
			cells[i] = new([]byte)
		}
		for rows.Next() {
			require.NoError(t, rows.Scan(cells...))
			for i, c := range cells {
				values++
				b := *c.(*[]byte)
				requireNoSecrets(t, secrets, fmt.Sprintf("%s.%s", table, names[i]), b)
				for _, payload := range texts(b, 0) {
					requireNoSecrets(t, secrets, fmt.Sprintf("%s.%s, decoded", table, names[i]), payload)
				}
			}
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
	require.Greater(t, values, 1000, "the database was read")
}

func column(t *testing.T, db *sql.DB, query string) (out [][]byte) {
	t.Helper()
	rows, err := db.Query(query)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var b []byte
		require.NoError(t, rows.Scan(&b))
		out = append(out, b)
	}
	require.NoError(t, rows.Err())
	return out
}

// texts unfolds protobuf messages, as histories are stored: every length-delimited field, however deep.
func texts(b []byte, depth int) (out [][]byte) {
	if depth > 12 {
		return nil
	}
	for len(b) > 0 {
		_, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return out
		}
		b = b[n:]
		if kind == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return out
			}
			out = append(append(out, v), unzip(v)...)
			out = append(out, texts(v, depth+1)...)
			b = b[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(1, kind, b); n < 0 {
			return out
		}
		b = b[n:]
	}
	return out
}

// unzip returns what a packed plan holds, also where it lies in a plan.Reply.
func unzip(b []byte) [][]byte {
	var reply struct{ Packed []byte }
	if json.Unmarshal(b, &reply) == nil && len(reply.Packed) > 0 {
		b = reply.Packed
	}
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(r, 64<<20))
	if err != nil {
		return nil
	}
	return [][]byte{out}
}
