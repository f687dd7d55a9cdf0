package words

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 20 << 20: "20 MiB", 1<<30 - 1: "1 GiB", 5 << 40: "5 TiB",
		1 << 62: "4096 PiB", -(3 << 20): "-3 MiB"} {
		require.Equal(t, want, Bytes(n))
	}
}
