package engine

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/server/schema"

	"nightshift/internal/statedir"
)

// releaseWith010 writes a file as a release on server 1.30 left it: schema 0.10. That server's scripts are this one's without
// the table that 0.11 adds and without two visibility columns that came without a version (compared with its module).
func releaseWith010(t *testing.T, file string) {
	t.Helper()
	script := func(name string) string {
		b, err := fs.ReadFile(schema.Assets(), name)
		require.NoError(t, err)
		return string(b)
	}
	added := script(schemaDir + "/versioned/v0.11/current_chasm_executions.sql")
	execution := strings.Replace(script(schemaDir+"/schema.sql"), strings.TrimSpace(added), "", 1)
	require.NotContains(t, execution, "current_chasm_executions")
	visibility := regexp.MustCompile(`(?m)^.*TemporalExternalPayload.*\n`).ReplaceAllString(script(visibilityScript), "")
	require.NotContains(t, visibility, "TemporalExternalPayload")

	require.NoError(t, touch(file))
	at(file).exec(t, execution, visibility,
		"INSERT INTO queue_metadata(queue_type, data, data_encoding, version) VALUES (7, 'kept', 'Json', 1)",
		"PRAGMA user_version = 10")
}

func count(t *testing.T, file, query string) (n int) {
	t.Helper()
	db, err := openSQLite(file, "ro")
	require.NoError(t, err)
	require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&n))
	require.NoError(t, db.Close())
	return n
}

func TestOlderFileIsMigratedAfterACopy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	releaseWith010(t, file)
	require.NoError(t, at(file).prepare(t.Context()))

	require.Equal(t, 11, count(t, file, "PRAGMA user_version"))
	require.Equal(t, 1, count(t, file, "SELECT count(*) FROM queue_metadata WHERE data = 'kept'"))
	require.Zero(t, count(t, file, "SELECT count(*) FROM current_chasm_executions"))
	require.Zero(t, count(t, file, "SELECT count(TemporalExternalPayloadCount) FROM executions_visibility"))

	saved := copies(t, file)
	require.Len(t, saved, 1)
	require.Contains(t, saved[0], "temporal.db.before-v0.11-")
	require.Equal(t, 10, count(t, saved[0], "PRAGMA user_version"))
	require.Equal(t, 1, count(t, saved[0], "SELECT count(*) FROM queue_metadata WHERE data = 'kept'"))
	info, err := os.Stat(saved[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, at(file).prepare(t.Context()))
	require.Len(t, copies(t, file), 1, "a file that is current is not copied")
}

func copies(t *testing.T, file string) []string {
	t.Helper()
	found, err := filepath.Glob(file + ".before-*")
	require.NoError(t, err)
	return found
}

func TestEngineRunsOnAMigratedFile(t *testing.T) {
	d := dir(t, t.TempDir())
	releaseWith010(t, d.Database())
	s := begin(t, Options{
		Dir: d, UIPort: -1, Unsafe: true,
		SearchAttributes: map[string]enums.IndexedValueType{lab.GetName(): enums.INDEXED_VALUE_TYPE_KEYWORD},
	})
	c := dial(t, s)
	greet(t, c, "migrated", temporal.NewSearchAttributes(lab.ValueSet("home")))
	requireListed(t, c, "Lab = 'home'", "migrated")
	requireListed(t, c, "TemporalExternalPayloadCount IS NULL", "migrated")
}

func TestColumnsThatCameWithoutAVersionAreAdded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	releaseWith010(t, file)
	b, err := fs.ReadFile(schema.Assets(), schemaDir+"/versioned/v0.11/current_chasm_executions.sql")
	require.NoError(t, err)
	at(file).exec(t, string(b), "PRAGMA user_version = 11")
	require.NoError(t, at(file).prepare(t.Context()))
	require.Zero(t, count(t, file, "SELECT count(TemporalExternalPayloadCount) FROM executions_visibility"))
	require.Len(t, copies(t, file), 1)
}

func TestMigrationThatFailsLeavesTheFileAsItWas(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	releaseWith010(t, file)
	at(file).exec(t, "CREATE TABLE current_chasm_executions(x)")
	err := at(file).prepare(t.Context())
	require.ErrorContains(t, err, "migrate (schema 0.10 to 0.11)")
	require.ErrorContains(t, err, "a copy is in "+copies(t, file)[0])
	require.Equal(t, 10, count(t, file, "PRAGMA user_version"))
}

func TestFileThatLacksATableIsRefused(t *testing.T) {
	d := fresh(t)
	d.exec(t, "DROP TABLE timer_tasks")
	require.ErrorContains(t, d.prepare(t.Context()), "the file lacks column timer_tasks.")
}

func TestNoMigrationWithoutSpaceForTheCopy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	releaseWith010(t, file)
	d := at(file)
	d.free = func(string) (uint64, error) { return statedir.MinFree, nil }
	require.ErrorAs(t, d.prepare(t.Context()), new(*statedir.FullError))
	require.Equal(t, 10, count(t, file, "PRAGMA user_version"))
	require.Empty(t, copies(t, file))
}
