package iscsi

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/vmfs"
)

// Whatever comes is understood, or refused as what it is.
func refusedOr(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		for _, kind := range []error{fault.Unsupported, fault.Permission, fault.NotFound} {
			if errors.Is(err, kind) {
				return
			}
		}
		require.NoError(t, err)
	}
}

func compared(id Identity) vmfs.LU {
	return vmfs.LU{LUN: id.LUN, DeviceType: id.DeviceType, NAA: id.NAA, Vendor: id.Vendor, Product: id.Product}
}

func FuzzVPD(f *testing.F) {
	f.Add(make([]byte, 36), []byte{0, 0x80, 0, 1, 'a'}, []byte{0, 0x83, 0, 4, 1, 3, 0, 0}, []byte{0, 0xb0, 0, 2, 1, 1}, make([]byte, 32))
	f.Add([]byte{}, []byte{0, 0x80, 0xff, 0xff}, []byte{0, 0x83, 0, 5, 1, 3, 0, 200, 1}, []byte{0, 0xb0}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0, 0, 0x0f})
	f.Fuzz(func(t *testing.T, inquiry, serial, names, limits, capacity []byte) {
		id, err := Seen{Inquiry: inquiry, Page80: serial, Page83: names, PageB0: limits, Capacity16: capacity}.Identity()
		refusedOr(t, err)
		if err != nil {
			return
		}
		for _, kind := range []Kind{LIO, COMSTAR, Iscsitgt} {
			as, err := As(kind, id)
			if err != nil {
				require.ErrorIs(t, err, fault.Unsupported)
				continue
			}
			again, err := As(kind, as)
			require.NoError(t, err)
			require.Equal(t, as, again, "what can be expressed stays as it is")
			require.Empty(t, vmfs.Guard(compared(id).DiskID(), compared(as)), "what ESXi compares is kept to the letter")
		}
		b, err := (Record{Version: RecordVersion, Identity: id}).Marshal()
		require.NoError(t, err)
		if len(id.NAA) == 32 && id.NAA[0] == '6' {
			_, err = ParseRecord(b)
			require.NoError(t, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"kind":"lio","name":"a","identity":{"lun":1,"naa":"600144f07ed404000000496ff8cd0003","designators":[{"type":3,"value":"60"}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(b)
		refusedOr(t, err)
		if err != nil {
			return
		}
		out, err := r.Marshal()
		require.NoError(t, err)
		again, err := ParseRecord(out)
		require.NoError(t, err)
		once, err := again.Marshal()
		require.NoError(t, err)
		require.Equal(t, string(out), string(once))
	})
}

func FuzzLIO(f *testing.F) {
	if b, err := os.ReadFile("testdata/lio/listing.txt"); err == nil {
		f.Add(b)
	}
	f.Add([]byte("nightshift-lio-listing 1\nabsent\nend\n"))
	f.Add([]byte("nightshift-lio-listing 1\nDcore/iblock_0/a\nFcore/iblock_0/a/wwn/vpd_unit_serial\x00T10 VPD Unit Serial Number: 12\nLiscsi/x/tpgt_1/lun/lun_0/a\x00../core/iblock_0/a\nend\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		l, err := parseLIO(out)
		refusedOr(t, err)
		for _, lu := range l.LUs {
			lu.Sessions()
			_ = lu.Describe()
			_ = l.OpenLUNs("tank")
		}
	})
}

func FuzzInitiator(f *testing.F) {
	f.Add([]byte("nightshift-initiator 1\nD3:0:0:7\tsdb\tiqn.x\ninquiry\t00\nNsectors\t8\nCcache\twrite back\nend\n"))
	f.Fuzz(func(t *testing.T, out []byte) {
		_, err := parseInitiator(out)
		refusedOr(t, err)
	})
}

func FuzzTools(f *testing.F) {
	for _, file := range []string{"comstar/list-lu.txt", "comstar/list-view.txt", "comstar/list-target.txt", "comstar/itadm-list-target.txt",
		"comstar/itadm-list-tpg.txt", "comstar/itadm-list-initiator.txt", "iscsitgt/export.xml", "iscsitgt/list-target.txt", "iscsitgt/list-target-forum.txt"} {
		b, err := os.ReadFile("testdata/" + file)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, out []byte) {
		if list, err := sections("x", out, "LU Name"); err == nil {
			for _, s := range list {
				_, _, err := comstarLU(s)
				refusedOr(t, err)
			}
		}
		_, err := parseViews(out)
		refusedOr(t, err)
		targets, err := parseTargets(out)
		refusedOr(t, err)
		if err == nil {
			refusedOr(t, addAuth(out, targets))
		}
		_, err = parsePortals(out)
		refusedOr(t, err)
		_, err = parseInitiators(out)
		refusedOr(t, err)
		sessions, err := parseIscsitadm(out)
		refusedOr(t, err)
		if c, err := parseSMF(out); err == nil {
			_, err = c.listing(sessions)
			refusedOr(t, err)
		}
	})
}
