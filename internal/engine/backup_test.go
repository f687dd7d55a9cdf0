package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// TestACopyOfARunningDatabase is whole, knows which workflows were open when it was made, and serves.
func TestACopyOfARunningDatabase(t *testing.T) {
	d := dir(t, t.TempDir())
	s := begin(t, Options{Dir: d, UIPort: -1, Unsafe: true})
	c := dial(t, s)
	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "open", TaskQueue: "nobody"}, "Any")
	require.NoError(t, err)
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "closed", TaskQueue: "nobody"}, "Any")
	require.NoError(t, err)
	require.NoError(t, c.TerminateWorkflow(t.Context(), "closed", "", ""))

	other := dir(t, t.TempDir())
	to := other.Database()
	schema, err := Copy(t.Context(), d.Database(), to)
	require.NoError(t, err)
	want, err := Schema()
	require.NoError(t, err)
	require.Equal(t, want, schema)
	info, err := os.Stat(to)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "later", TaskQueue: "nobody"}, "Any")
	require.NoError(t, err, "the server goes on")

	mine := func(file string) (ids []string) {
		list, err := OpenExecutions(t.Context(), file)
		require.NoError(t, err)
		for _, e := range list {
			if e.Namespace == DefaultNamespace {
				ids = append(ids, e.Workflow)
			}
		}
		return ids
	}
	require.Equal(t, []string{"open"}, mine(to))
	require.Equal(t, []string{"later", "open"}, mine(d.Database()), "also while a server has it open")

	second := begin(t, Options{Dir: other, UIPort: -1, Unsafe: true})
	_, err = dial(t, second).DescribeWorkflowExecution(t.Context(), "open", "")
	require.NoError(t, err)
}

func TestCopiesThatCannotBe(t *testing.T) {
	from := t.TempDir()
	_, err := Copy(t.Context(), filepath.Join(from, "temporal.db"), filepath.Join(from, "copy"))
	require.ErrorContains(t, err, "nothing was ever served from there")
	bad := filepath.Join(from, "bad.db")
	require.NoError(t, os.WriteFile(bad, []byte("no database, but long enough to look like something that is one, or might be"), 0o600))
	_, err = Copy(t.Context(), bad, filepath.Join(from, "copy"))
	require.ErrorContains(t, err, "is not a database")
	require.NoFileExists(t, filepath.Join(from, "copy"), "half a copy is removed")
	require.NoError(t, os.WriteFile(filepath.Join(from, "there"), []byte("x"), 0o600))
	_, err = Copy(t.Context(), fresh(t).file, filepath.Join(from, "there"))
	require.Error(t, err)
	b, err := os.ReadFile(filepath.Join(from, "there"))
	require.NoError(t, err)
	require.Equal(t, "x", string(b), "nothing is overwritten")
	_, err = Inspect(t.Context(), filepath.Join(from, "there"))
	require.Error(t, err)
}
