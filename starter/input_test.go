package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is no plan file is refused by its name, and what is far too large is not read.
func TestFilesThatAreNoneOfNightshifts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.json")
	require.NoError(t, os.WriteFile(path, []byte("{\n,}"), 0o600))
	_, err := readPlanFile(path)
	require.ErrorContains(t, err, path+" is not a plan file: line 2: invalid character ','")
	require.Equal(t, exitUsage, exitCode(err))

	require.NoError(t, os.Truncate(path, 1<<30)) // no more than a hole
	_, err = readPlanFile(path)
	require.ErrorContains(t, err, "plan.json is larger than 64 MiB")
	_, err = readSignature(signedOptions{file: path, text: path})
	require.ErrorContains(t, err, "plan.json is larger than 64 KiB")
}

func TestParametersOfSteps(t *testing.T) {
	for pair, want := range map[string]any{
		"timeout=10m": "10m", "timeout=10": 10.0, "force=true": true, "force=tru": "tru", "names=[\"a\"]": []any{"a"}, "x=": "", "a==": "=", "n=1e999": "1e999", "n=00": "00",
	} {
		params, err := stepParameters([]string{pair})
		require.NoError(t, err, pair)
		require.Len(t, params, 1)
		for _, got := range params {
			require.Equal(t, want, got, pair)
		}
	}
	for _, pair := range []string{"=x", "x", ""} {
		_, err := stepParameters([]string{pair})
		require.Equal(t, exitUsage, exitCode(err), pair)
		_, err = (&parameterOptions{pairs: []string{pair}}).given()
		require.Equal(t, exitUsage, exitCode(err), pair)
	}
}
