package engine

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/statedir"
)

// killEnv names the stage of a set-up at which the test binary, started again, kills itself.
const (
	killEnv = "NIGHTSHIFT_TEST_KILL_AT"
	fileEnv = "NIGHTSHIFT_TEST_DATABASE"
)

func TestMain(m *testing.M) {
	if stage := os.Getenv(killEnv); stage != "" {
		d := at(os.Getenv(fileEnv))
		d.step = func(reached string) {
			if reached == stage {
				self, _ := os.FindProcess(os.Getpid())
				_ = self.Kill()
				select {}
			}
		}
		fmt.Println(d.prepare(context.Background()))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func at(file string) *database {
	return &database{file: file, free: statedir.FreeBytes, warn: slog.New(slog.DiscardHandler).Warn}
}

// fresh sets a database up.
func fresh(t *testing.T) *database {
	t.Helper()
	d := at(filepath.Join(t.TempDir(), "temporal.db"))
	require.NoError(t, d.prepare(t.Context()))
	return d
}

func (d *database) exec(t *testing.T, statements ...string) {
	t.Helper()
	db, err := openSQLite(d.file, "rw")
	require.NoError(t, err)
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
	require.NoError(t, db.Close())
}

func TestKilledSetUpIsDoneAgain(t *testing.T) {
	for _, stage := range []string{schemaDir + "/schema.sql", visibilityScript} {
		file := filepath.Join(t.TempDir(), "temporal.db")
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killEnv+"="+stage, fileEnv+"="+file)
		out, err := cmd.CombinedOutput()
		require.ErrorContains(t, err, "killed", string(out))
		require.NoFileExists(t, file, "what is half done must not look done")
		require.FileExists(t, file+".new")

		require.NoError(t, at(file).prepare(t.Context()))
		require.NoError(t, at(file).prepare(t.Context()), "nothing is missing")
		require.NoFileExists(t, file+".new")
	}
}

func TestNewerFileIsRefused(t *testing.T) {
	d := fresh(t)
	d.exec(t, "PRAGMA user_version = 99")
	before := content(t, d.file)
	err := d.prepare(t.Context())
	require.ErrorContains(t, err, "written by a newer nightshift (schema 0.99, this one knows 0.11)")
	require.Equal(t, before, content(t, d.file))
}

func TestFileOfAnotherProgramIsRefused(t *testing.T) {
	d := fresh(t)
	d.exec(t, "PRAGMA user_version = 0")
	require.ErrorContains(t, d.prepare(t.Context()), "was not made by nightshift")
}

func TestFilesThatAreNoDatabase(t *testing.T) {
	good := content(t, fresh(t).file)
	broken := append([]byte(nil), good...)
	for i := len(good) / 2; i < len(good)/2+3*4096; i++ {
		broken[i] ^= 0xa5
	}
	for want, b := range map[string][]byte{
		"is empty":          {},
		"is not a database": []byte("lab: home\nthis is a YAML file that somebody copied to the wrong place, long enough to have a header\n"),
		"is damaged":        broken,
	} {
		d := at(filepath.Join(t.TempDir(), "temporal.db"))
		require.NoError(t, os.WriteFile(d.file, b, 0o600))
		err := d.prepare(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, d.file)
		require.Equal(t, b, content(t, d.file), "left as it was")
	}
	d := at(t.TempDir())
	require.ErrorContains(t, d.prepare(t.Context()), "is not a file")
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return b
}

func TestErrorsOfSQLiteInPlainWords(t *testing.T) {
	d := fresh(t)
	fails := func(mode string, statements ...string) error {
		db, err := openSQLite(d.file, mode)
		require.NoError(t, err)
		defer db.Close()
		for _, s := range statements {
			_, err = db.ExecContext(t.Context(), s)
		}
		return explain(d.file, "write", err)
	}
	require.ErrorContains(t, fails("ro", "CREATE TABLE t(x)"), "cannot be written")
	require.ErrorContains(t, fails("rw", "PRAGMA max_page_count = 1", "CREATE TABLE t(x)"), "disk full")

	impatient, err := sql.Open("sqlite", "file:"+d.file)
	require.NoError(t, err)
	defer impatient.Close()
	other, err := impatient.Conn(t.Context())
	require.NoError(t, err)
	_, err = other.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	require.NoError(t, err)
	_, err = impatient.ExecContext(t.Context(), "CREATE TABLE t(x)")
	require.ErrorContains(t, explain(d.file, "write", err), "in use by another program")
	require.NoError(t, other.Close())
}

func TestLogOfARemovedDatabaseIsSetAside(t *testing.T) {
	d := at(filepath.Join(t.TempDir(), "temporal.db"))
	require.NoError(t, os.WriteFile(d.file+"-wal", []byte("old"), 0o600))
	require.NoError(t, d.prepare(t.Context()))
	require.NoFileExists(t, d.file+"-wal")
	aside, err := filepath.Glob(d.file + "-wal.orphan-*")
	require.NoError(t, err)
	require.Len(t, aside, 1)
}
