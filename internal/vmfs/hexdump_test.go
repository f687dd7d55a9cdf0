package vmfs

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The dump of the document's volume names what the document explains.
func TestHexdumpOfTheDocument(t *testing.T) {
	m := document(t)
	v, err := Inspect(m, m.size)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, Hexdump(&b, m, v))
	got := b.String()
	t.Log("\n" + got)
	for _, line := range []string{
		"Master boot record, at byte 0 (0x0)",
		"LVM header, at byte 1114112 (0x110000)",
		"  000000110000  0d d0 01 c0                                      magic: c001d00d",
		"  00000011000c  02                                               LUN: type of the identity: 2, of INQUIRY page 0x83",
		"  00000011000e  03 00                                            LUN: number: 3",
		`LUN: product: "COMSTAR"`,
		`  00000011002e  60 01 44 f0 7e d4 04 00 00 00 49 6f f8 cd 00 03  LUN: identity: naa.600144f07ed404000000496ff8cd0003 and the product's "COMSTA"`,
		"  00000011003e  43 4f 4d 53 54 41 00 00 00 00 00 00 00 00 00 00\n",
		"Descriptor of the file system (.vh.sf), at byte ",
		"UUID of the datastore: 49716cd8-ebcbbf9a-6792-000d60d46e2e, made by the host with the MAC 00:0d:60:d4:6e:2e",
		`label: "ss2-cstar-zs0.2"`,
		"made: 2009-01-17T05:30:00Z",
		"UUID of the volume: 49716cd8-6075899a-ad1c-000d60d46e2e",
	} {
		require.Contains(t, got, line)
	}
	require.Regexp(t, `0000000001be  .* partition entry 1: type fb, first sector 128, 1572859762 sectors`, got)
	for line := range strings.Lines(got) {
		require.LessOrEqual(t, len(line), 180, line)
	}
}

func TestHexdumpOfAGPT(t *testing.T) {
	m := gptImage(t)
	table, err := ReadTable(m, m.size)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, Hexdump(&b, m, Volume{Table: table}))
	got := b.String()
	require.Equal(t, 2, strings.Count(got, "GPT header, at byte"))
	require.Contains(t, got, "type: AA31E02A-400F-11DB-9590-000C2911D1B8, VMFS")
	require.Contains(t, got, `name: "vmfs data"`)
	require.Contains(t, got, "first sector: 2048")
	require.NotContains(t, got, "LVM")
}

// What no field names is shown where it is not zero.
func TestUnnamedBytes(t *testing.T) {
	b := make([]byte, 64)
	b[3], b[40] = 7, 9
	lines := dumpLines(0x100, b, []field{{0, 2, "a", number}, {8, 4, "b", nil}})
	require.Equal(t, []string{
		"000000000100  00 00                                            a: 0",
		"000000000102  00 07 00 00 00 00                                not known",
		"000000000108  00 00 00 00                                      b",
		"00000000011c  00 00 00 00 00 00 00 00 00 00 00 00 09 00 00 00  not known",
	}, lines)
}

// The fields of a structure are in order, do not overlap, and lie in it.
func TestFields(t *testing.T) {
	for name, s := range map[string]struct {
		length int
		fields []field
	}{"mbr": {Sector, mbrFields()}, "gpt": {Sector, gptFields()}, "entry": {gptEntryLeast, gptEntryFields()}, "lvm": {deviceLength, lvmFields(DiskID{})}, "volume": {entryLength, entryFields()}, "fs": {fsLength, fsFields()}} {
		end := 0
		for _, f := range s.fields {
			require.GreaterOrEqual(t, f.at, end, "%s: %s", name, f.name)
			end = f.at + f.length
			require.LessOrEqual(t, end, s.length, "%s: %s", name, f.name)
			if f.value != nil {
				for _, fill := range []byte{0, 0xff, 'a'} {
					f.value(bytes.Repeat([]byte{fill}, f.length))
				}
			}
		}
	}
}
