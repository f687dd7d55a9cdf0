package vmfs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlaces(t *testing.T) {
	m := gptImage(t)
	table, err := ReadTable(m, m.size)
	require.NoError(t, err)
	places, err := Places(table.Sectors, m.size)
	require.NoError(t, err)
	require.Equal(t, []string{"131039:33", "0:34"}, Ranges(places), "the beginning comes last")
	now, err := ReadPlaces(m, places)
	require.NoError(t, err)
	require.Equal(t, places, now)
	require.Equal(t, Sum(places), Sum(now))

	d := document(t)
	table, err = ReadTable(d, d.size)
	require.NoError(t, err)
	places, err = Places(table.Sectors, d.size)
	require.NoError(t, err)
	require.Equal(t, []string{"0:1"}, Ranges(places))
	now, err = ReadPlaces(m, places)
	require.NoError(t, err)
	require.NotEqual(t, Sum(places), Sum(now))
}

func TestWhereNoTableIsPutBack(t *testing.T) {
	const size = 1 << 20
	for name, list := range map[string][]Extent{
		"none":             nil,
		"the data":         {{64 * Sector, make([]byte, Sector)}},
		"across the end":   {{33 * Sector, make([]byte, 2*Sector)}},
		"before the end":   {{size - 34*Sector, make([]byte, Sector)}},
		"behind the end":   {{size - Sector, make([]byte, 2*Sector)}},
		"half a sector":    {{0, make([]byte, 100)}},
		"between sectors":  {{100, make([]byte, Sector)}},
		"nothing":          {{0, nil}},
		"before the first": {{-Sector, make([]byte, Sector)}},
		"twice":            {{0, make([]byte, 2*Sector)}, {Sector, make([]byte, Sector)}},
	} {
		_, err := Places(list, size)
		require.ErrorIs(t, err, ErrPlace, name)
	}
}

// A volume whose table is lost is found again with that of a backup.
func TestAVolumeWithAnotherTable(t *testing.T) {
	d := document(t)
	table, err := ReadTable(d, d.size)
	require.NoError(t, err)
	places, err := Places(table.Sectors, d.size)
	require.NoError(t, err)
	lost := image{size: d.size, pieces: map[int64][]byte{}}
	for at, b := range d.pieces {
		if at > 0 {
			lost.pieces[at] = b
		}
	}
	_, err = Inspect(lost, lost.size)
	require.ErrorIs(t, err, ErrNoVMFS)
	v, err := Inspect(With(lost, places), lost.size)
	require.NoError(t, err)
	require.Equal(t, "ss2-cstar-zs0.2", v.FileSystem.Label)
	require.Equal(t, "MBR, partition 1: VMFS (fb), sectors 128 to 1572859889", Words(v.Table.Scheme, v.Table.Partitions))
	require.Equal(t, "none, no partition", Words(SchemeNone, nil))
}
