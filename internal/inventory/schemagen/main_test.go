package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

func TestCommittedSchemaIsCurrent(t *testing.T) {
	want, err := generate()
	require.NoError(t, err)
	got, err := inventory.Schema()
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run: go generate ./internal/inventory/...")
}
