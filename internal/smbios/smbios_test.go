package smbios

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUUID(t *testing.T) {
	file := filepath.Join(t.TempDir(), "product_uuid")
	require.Empty(t, UUID(file), "not known is no error")
	require.NoError(t, os.WriteFile(file, []byte("4C4C4544-0042-3510-8051-B4C04F565231\n"), 0o600))
	require.Equal(t, "4c4c4544-0042-3510-8051-b4c04f565231", UUID(file))
}
