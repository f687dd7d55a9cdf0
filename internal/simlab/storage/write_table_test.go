package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the program answers is that of internal/storagesetup/write-table.sh, whose own tests have these cases, too.
func TestWriteTable(t *testing.T) {
	h := New(t.Context(), Config{Name: "ss1"})
	t.Cleanup(h.Close)
	h.AddPool("tank", 1<<40)
	require.Equal(t, Exit{}, h.Run(t.Context(), root, []string{"zfs", "create", "-s", "-V", "64M", "tank/vol"}, Streams{}))
	digest := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	old, fresh := bytes.Repeat([]byte("o"), 1024), append(bytes.Repeat([]byte("f"), 512), bytes.Repeat([]byte("g"), 512)...)
	require.NoError(t, h.WriteBytes("tank/vol", 0, bytes.Repeat([]byte("o"), 4096)))
	require.NoError(t, h.WriteBytes("tank/vol", 64<<20-h.cfg.Unit, bytes.Repeat([]byte("o"), int(h.cfg.Unit))))
	const last = "131071:1"
	for _, c := range []struct {
		name   string
		user   string
		args   []string
		input  []byte
		status int
	}{
		{"not root", "zfsadm", []string{"tank/vol", digest(old), digest(fresh), "0:1", last}, fresh, 1},
		{"too little", root, []string{"tank/vol", digest(old), digest(fresh)}, fresh, 2},
		{"no such zvol", root, []string{"tank/other", digest(old), digest(fresh), "0:1", last}, fresh, 2},
		{"where data is", root, []string{"tank/vol", digest(old), digest(fresh), "33:2"}, fresh, 2},
		{"behind the end", root, []string{"tank/vol", digest(old), digest(fresh), "131071:2"}, fresh, 2},
		{"no range", root, []string{"tank/vol", digest(old), digest(fresh), "x"}, fresh, 2},
		{"something else lies there", root, []string{"tank/vol", digest([]byte("x")), digest(fresh), "0:1", last}, fresh, 3},
		{"other sectors", root, []string{"tank/vol", digest(old), digest(fresh), "0:1", last}, old, 2},
		{"done", root, []string{"tank/vol", digest(old), digest(fresh), "0:1", last}, fresh, 0},
		{"done before", root, []string{"tank/vol", digest(old), digest(fresh), "0:1", last}, nil, 0},
	} {
		exit := h.Run(t.Context(), c.user, append([]string{writeTableProgram}, c.args...), Streams{In: bytes.NewReader(c.input)})
		require.Equal(t, Exit{Status: c.status}, exit, c.name)
	}
	var out bytes.Buffer
	require.Equal(t, Exit{}, h.Run(t.Context(), root, []string{readProgram, "tank/vol", "0", "2"}, Streams{Out: &out}))
	require.Equal(t, append(fresh[:512:512], old[:512]...), out.Bytes(), "what is beside it stays")
	out.Reset()
	require.Equal(t, Exit{}, h.Run(t.Context(), root, []string{readProgram, "tank/vol", "131070", "2"}, Streams{Out: &out}))
	require.Equal(t, append(old[:512:512], fresh[512:]...), out.Bytes())
}
