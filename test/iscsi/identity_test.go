//go:build e2e

package iscsi

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/iscsi"
)

const (
	us      = "iqn.2026-01.lab.esx1:initiator"
	another = "iqn.2026-01.lab.esx2:initiator"
	lunOf   = 7
	// As COMSTAR makes them: NAA 6, Sun's company id, its own number. Without a byte 0, where iscsi-inq stops to print.
	naa = "600144f0c0a8012a5eadbeef11223344"
)

// standard is no page: the standard INQUIRY.
const standard = -1

func (g *tgt) mail() *target {
	return g.publish("iqn.2026-01.lab.storage:mail", lunOf, "vendor_id=SUN,product_id=COMSTAR,product_rev=1.0,scsi_sn=5eadbeef0001,scsi_id=naa."+naa)
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	d := startTGT(t).mail()
	d.allow("ALL")
	id, err := hex.DecodeString(naa)
	require.NoError(t, err)
	for page, words := range map[int][]string{
		standard: {"Vendor:SUN ", "Product:COMSTAR ", "Revision:1.0"},
		0x80:     {" 5eadbeef0001]"},
		0x83:     {"Designator Type:(3) NAA\nDesignator:[" + string(id) + "]\n"},
	} {
		out, err := d.inq(initiator{name: us}, lunOf, page)
		require.NoError(t, err, out)
		for _, word := range words {
			require.Contains(t, out, word, "page %#x", page)
		}
	}
	out, err := d.inq(initiator{name: us}, lunOf+1, standard)
	require.Error(t, err, "there is no LUN 8: %s", out)
	require.Contains(t, out, "LOGICAL_UNIT_NOT_SUPPORTED")
}

// What nightshift makes of the bytes that a real target answers: the identity that it was given, and in words where another differs.
func TestIdentityAsNightshiftReadsIt(t *testing.T) {
	t.Parallel()
	d := startTGT(t).mail()
	d.allow("ALL")
	s := d.login(initiator{name: us})
	got, err := iscsi.Seen{LUN: lunOf, Inquiry: s.page(lunOf, standard), Page80: s.page(lunOf, 0x80), Page83: s.page(lunOf, 0x83), PageB0: s.page(lunOf, 0xb0),
		Capacity16: s.capacity(lunOf)}.Identity()
	require.NoError(t, err)
	want := iscsi.Identity{LUN: lunOf, NAA: naa, Serial: "5eadbeef0001", Vendor: "SUN", Product: "COMSTAR", Revision: "1.0", Size: 16 << 20, LogicalBlock: 512,
		PhysicalBlock: got.PhysicalBlock, Designators: got.Designators, CompareAndWrite: got.CompareAndWrite, ExtendedCopy: got.ExtendedCopy}
	require.Equal(t, want, got)
	require.Empty(t, iscsi.Words(iscsi.Diff(want, got)))
	want.Product = "VIRTUAL-DISK"
	differ := iscsi.Diff(want, got)
	require.Len(t, differ, 1)
	require.Equal(t, "product", differ[0].Field)

	_, err = iscsi.Seen{LUN: lunOf + 1, Inquiry: s.page(lunOf+1, standard), Page83: []byte{0, 0x83, 0, 0}}.Identity()
	require.ErrorIs(t, err, fault.NotFound, "there is no LUN 8")
}

func TestCHAP(t *testing.T) {
	t.Parallel()
	d := startTGT(t).mail()
	d.allow("ALL")
	d.chap("lab", "labsecret12345")
	out, err := d.inq(initiator{us, "lab", "labsecret12345"}, lunOf, standard)
	require.NoError(t, err, out)
	for _, wrong := range []initiator{{us, "lab", "wrongwrong1234"}, {us, "other", "labsecret12345"}, {name: us}} {
		out, err := d.inq(wrong, lunOf, standard)
		require.Error(t, err, "%v got in: %s", wrong, out)
		require.Contains(t, out, "Authentication failure")
	}
}

func TestACL(t *testing.T) {
	t.Parallel()
	d := startTGT(t).mail()
	d.allow(us)
	out, err := d.inq(initiator{name: us}, lunOf, standard)
	require.NoError(t, err, out)
	out, err = d.inq(initiator{name: another}, lunOf, standard)
	require.Error(t, err, "another initiator got in: %s", out)
	require.Contains(t, out, "Target not found")
}
