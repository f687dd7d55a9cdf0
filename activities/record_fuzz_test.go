package activities

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

func gzipped(t testing.TB, part string, times int) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	require.NoError(t, err)
	for range times {
		_, err := z.Write([]byte(part))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// A record that stands for gigabytes is refused.
func TestARecordThatUnfoldsToTooMuchIsRefused(t *testing.T) {
	_, err := unpackRecord(gzipped(t, strings.Repeat("\x00", 1<<20), 32))
	require.ErrorContains(t, err, "more than 16 MiB")
	_, err = unpackRecord(gzipped(t, strings.Repeat(" ", 1<<20), 32))
	require.ErrorContains(t, err, "more than 16 MiB")
	_, err = unpackRecord(gzipped(t, `{"Guests":[`+strings.Repeat("{},", maxRecorded)+`{}]}`, 1))
	require.ErrorContains(t, err, "more than 100000 entries")
}

// FuzzRecord: a record is read or refused, and what is read is packed and read as the same.
func FuzzRecord(f *testing.F) {
	b, err := json.Marshal(lasting(largeVCenter(60), ""))
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"Guests":[{"Name":"a","Path":"*","Datastores":["d"],"Host":"h"}],"Hosts":[{"Ref":"h","Cluster":"c"}],"Datastores":[{"Ref":"d","Name":"x"}]}`))
	f.Add([]byte(`{"Guests":[{"Path":"*"}, null],"Hosts":null}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		vc, err := unpackRecord(gzipped(t, string(text), 1))
		if err != nil {
			require.False(t, strings.Contains(err.Error(), "\n"), err.Error())
			return
		}
		packed, err := packRecord(vc, "")
		require.NoError(t, err)
		once, err := unpackRecord(packed)
		require.NoError(t, err)
		packed, err = packRecord(once, "")
		require.NoError(t, err)
		twice, err := unpackRecord(packed)
		require.NoError(t, err)
		require.Equal(t, once, twice)
		names := func(vc live.VCenter) (n []string) {
			for _, g := range vc.Guests {
				if !g.Template && !g.VCLS {
					n = append(n, g.Name)
				}
			}
			return n
		}
		require.ElementsMatch(t, names(vc), names(once))
	})
}
