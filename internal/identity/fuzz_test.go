package identity

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/iscsi"
)

// Whatever comes is understood, or refused as what it is; what is understood is written and read as the same.
func FuzzOpen(f *testing.F) {
	text, _, err := Seal(sample())
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"format":"nightshift identity record","version":2}`))
	f.Add([]byte(`{"format":"nightshift identity record","version":1,"sha256":"x","record":{"a":1e999,"a":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := Open(b)
		if err != nil {
			require.ErrorIs(t, err, fault.Unsupported)
			return
		}
		again(t, r)
	})
}

// A record with any content, whose checksum is right.
func FuzzSealed(f *testing.F) {
	f.Add("home", "mail", "run", "notes", uint64(1), []byte{3})
	f.Fuzz(func(t *testing.T, lab, group, run, notes string, guid uint64, raw []byte) {
		r := sample()
		r.Lab, r.Group, r.Run, r.Datasets[0].GUID, r.VCenters[0].Guests[0].Notes = lab, group, run, guid, notes
		r.Datasets[0].LUNs[0].Identity.Designators = []iscsi.Designator{{Type: 1, Value: raw}}
		text, _, err := Seal(r)
		if err != nil {
			require.ErrorIs(t, err, fault.Unsupported) // too long
			return
		}
		got, _, err := Open(text)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			require.True(t, lab == "" || group == "", "%v", err)
			return
		}
		require.Equal(t, guid, got.Datasets[0].GUID)
		again(t, got)
	})
}

func again(t *testing.T, r Record) {
	t.Helper()
	text, sum, err := Seal(r)
	require.NoError(t, err)
	_, same, err := Open(text)
	require.NoError(t, err)
	require.Equal(t, sum, same)
	if values, err := Properties(r); err == nil {
		got, err := FromProperties(values)
		require.NoError(t, err)
		_, same, err = Seal(got)
		require.NoError(t, err)
		require.Equal(t, sum, same)
	}
}

func FuzzStamp(f *testing.F) {
	f.Add(Stamp{Version: 1, Parts: 2, Made: moment, SHA256: checksum(nil), Run: "r"}.String())
	f.Add("version=2 x")
	f.Add("version=1 parts=0 made=x sha256= run=")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseStamp(text)
		if err != nil {
			require.True(t, errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer))
			return
		}
		same, err := ParseStamp(s.String())
		require.NoError(t, err)
		require.Equal(t, s.SHA256, same.SHA256)
		require.True(t, s.Made.Truncate(1e9).Equal(same.Made))
	})
}
