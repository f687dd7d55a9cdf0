package storage

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/sshexec"
)

// stream is one of three units.
func stream(t testing.TB) []byte {
	var b bytes.Buffer
	require.NoError(t, writeHeader(&b, header{Snapshot: "tank/a@x", To: 7, Unit: testUnit, Scale: 1, Records: 3}))
	for i := range int64(3) {
		b.Write(record(i, unit{id: uint64(i) + 1}, testUnit, 1))
	}
	b.WriteByte(anEnd)
	return b.Bytes()
}

// read reads a stream to its end.
func read(r io.Reader) (layer, error) {
	if _, err := readHeader(r); err != nil {
		return nil, err
	}
	got := layer{}
	for {
		i, u, done, err := readRecord(r)
		if done || err != nil {
			return got, err
		}
		got[i] = u
	}
}

func TestStreamsThatAreCutOrDamaged(t *testing.T) {
	whole := stream(t)
	got, err := read(bytes.NewReader(whole))
	require.NoError(t, err)
	require.Equal(t, layer{0: {id: 1}, 1: {id: 2}, 2: {id: 3}}, got)
	for n := range len(whole) {
		_, err := read(bytes.NewReader(whole[:n]))
		require.True(t, errors.Is(err, errTruncated) || errors.Is(err, errNoStream), "cut at %d: %v", n, err)
	}
	for _, at := range []int{3, len(whole) - 100, len(whole) / 2} {
		broken := bytes.Clone(whole)
		broken[at] ^= 1
		_, err := read(bytes.NewReader(broken))
		require.Error(t, err, "a bit of byte %d is another", at)
	}
}

func TestTokens(t *testing.T) {
	p := &partial{header: header{Snapshot: "tank/a@x", To: 7, From: 5, Large: true}, records: 3, bytes: 4000}
	token := p.token()
	require.Regexp(t, `^1-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+$`, token)
	h, why := parseToken(token)
	require.Empty(t, why)
	require.Equal(t, header{Snapshot: "tank/a@x", To: 7, From: 5, Large: true, Have: 3, HaveBytes: 4000}, h)
	_, why = parseToken(strings.Replace(token, "1-", "1-0", 1) + "00")
	require.Contains(t, why, "resume token is corrupt")
}

func FuzzReadStream(f *testing.F) {
	f.Add(stream(f))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 1<<16 {
			_, _ = read(bytes.NewReader(b)) // it ends, and takes no more memory than came
		}
	})
}

func FuzzParseToken(f *testing.F) {
	f.Add((&partial{header: header{Snapshot: "tank/a@x", To: 7}}).token())
	f.Add("1-ab-ab-abab")
	f.Fuzz(func(t *testing.T, token string) {
		if h, why := parseToken(token); why == "" {
			require.NotEqual(t, "", token, "%v", h)
		}
	})
}

// What sshexec quotes is understood here byte by byte; what is a shell's is refused.
func FuzzWords(f *testing.F) {
	f.Add("zfs", "tank/b with space", "it's")
	f.Add("a", "", "$(rm -r /)")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		line, err := sshexec.Quote([]string{a, b, c})
		if err != nil {
			t.Skip()
		}
		got, err := words(line)
		require.NoError(t, err)
		require.Equal(t, []string{a, b, c}, got)
	})
}

func TestAShellIsNotThere(t *testing.T) {
	for _, line := range []string{"zfs list; reboot", "zfs list | cat", "echo $HOME", "echo `id`", "zfs list > x", "echo 'open"} {
		_, err := words(line)
		require.Error(t, err, line)
	}
	h := newTestHost(t)
	_, errs, exit := h.try("sh", "-c", "for x in a b; do echo $x; done", "sh")
	require.Equal(t, 127, exit.Status)
	require.Contains(t, errs, "does not know this script")
	_, _, exit = h.try("reboot")
	require.Equal(t, 127, exit.Status)
}
