package runapi

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzTenths: moments are read as they are written, few of them and many.
func FuzzTenths(f *testing.F) {
	f.Add([]byte{0, 1, 0xFF}, uint16(1))
	f.Add([]byte("12345678"), uint16(2000))
	f.Add([]byte(nil), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, times uint16) {
		var list Tenths
		for len(b) > 0 {
			v, n := binary.Varint(b)
			n = max(n, 1)
			list, b = append(list, v), b[min(n, len(b)):]
		}
		if n := len(list) * (1 + int(times)%2000); n < 50_000 {
			list = slices.Repeat(list, 1+int(times)%2000)
		}
		text, err := json.Marshal(list)
		require.NoError(t, err)
		var again Tenths
		require.NoError(t, json.Unmarshal(text, &again))
		require.True(t, slices.Equal(list, again))
	})
}

// FuzzCompact: whatever is read as moments, notes or a sheet is written and read as the same, or refused.
func FuzzCompact(f *testing.F) {
	f.Add([]byte(`[1,-1,0]`))
	f.Add([]byte(`{"a":"b","":"\u0000"}`))
	f.Add([]byte(`"eJwDAAAAAAE="`))
	f.Add([]byte(`{"steps":"d","started":[1],"notes":{"a":"b"}}`))
	for _, b := range [][]byte{{0, 2, 1}, {0x80}, []byte(`{"a":"b"}`), bytes.Repeat([]byte{1}, 5000)} {
		text, err := packed(b)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return
		}
		same[Tenths](t, b)
		same[Notes](t, b)
		same[Sheet](t, b)
		same[Order](t, b)
	})
}

func same[T any](t *testing.T, b []byte) {
	t.Helper()
	var v, again T
	if json.Unmarshal(b, &v) != nil {
		return
	}
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &again))
	other, err := json.Marshal(again)
	require.NoError(t, err)
	require.Equal(t, string(text), string(other))
}

// A short text that stands for gigabytes is refused.
func TestAPackedListThatUnfoldsToTooMuchIsRefused(t *testing.T) {
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, zlib.BestSpeed)
	require.NoError(t, err)
	for part := make([]byte, 1<<20); z.Len() < 100<<10 || z.Len() < maxUnfolded/200; {
		_, err := w.Write(part)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	text := []byte(strconv.Quote(base64.StdEncoding.EncodeToString(z.Bytes())))
	require.ErrorContains(t, new(Tenths).UnmarshalJSON(text), "unfolds to more than")
	require.ErrorContains(t, new(Notes).UnmarshalJSON(text), "unfolds to more than")
	text, err = packed(make([]byte, mostMoments+1))
	require.NoError(t, err)
	require.ErrorContains(t, new(Tenths).UnmarshalJSON(text), "more than 1048576 moments")
}

// FuzzNotes: notes are read as they are written, few of them and many.
func FuzzNotes(f *testing.F) {
	f.Add("a", "b", uint16(1))
	f.Add("a\u2028", "\x00<&>", uint16(1500))
	f.Fuzz(func(t *testing.T, key, value string, n uint16) {
		if !utf8.ValidString(key + value) {
			return
		}
		notes := Notes{}
		for i := range 1 + int(n)%1500 {
			notes[strings.Repeat(key, i%2)+strconv.Itoa(i)] = value
		}
		text, err := json.Marshal(notes)
		require.NoError(t, err)
		var again Notes
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, notes, again)
	})
}
