package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestReasonsAreShort(t *testing.T) {
	var why string
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	reasonFlag(f, &why, "`why`")
	require.Contains(t, f.FlagUsages(), "--reason why ")
	require.NoError(t, f.Parse([]string{"--reason", strings.Repeat("ä", mostReason/2)}))
	require.Len(t, why, mostReason)
	require.ErrorContains(t, f.Parse([]string{"--reason", why + "."}), "it has 1001 bytes, and may have 1000")
	require.ErrorContains(t, f.Parse([]string{"--reason", "\xff"}), "it is not UTF-8")
}
