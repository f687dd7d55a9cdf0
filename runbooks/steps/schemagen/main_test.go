package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/runbooks/steps"
)

func TestCommittedSchemaIsCurrent(t *testing.T) {
	want, err := generate()
	require.NoError(t, err)
	require.Equal(t, string(want), steps.Schema(), "run: go generate ./runbooks/steps/...")
}
