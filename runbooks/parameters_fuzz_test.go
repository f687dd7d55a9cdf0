package runbooks_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/runbooks"
)

// FuzzCheck: a parameter is taken in a form that is taken as the same again, or refused by its name.
func FuzzCheck(f *testing.F) {
	for name, value := range map[string]string{"tag": "Start", "vm": "a,b", "host": " ", "force": "tru", "confirm": "true", "cluster": "\x00", "": "", "recovery-point": "latest"} {
		f.Add(name, value)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, rb := range runbooks.Catalog() {
			params, err := rb.Check(map[string]string{name: value})
			if err != nil {
				var wrong *runbooks.ParameterError
				require.True(t, errors.As(err, &wrong))
				require.Equal(t, name, wrong.Parameter)
				continue
			}
			again, err := rb.Check(params)
			require.NoError(t, err)
			require.Equal(t, params, again)
		}
	})
}
