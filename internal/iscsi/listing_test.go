package iscsi_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/iscsi"
)

// What a real machine told (Debian 12, Linux 6.1, two LUNs in a target, an initiator logged in).
func TestARealListing(t *testing.T) {
	l, err := iscsi.ParseLIO(fixture(t, "lio/listing.txt"))
	require.NoError(t, err)
	require.Len(t, l.LUs, 2)
	lu := l.LUs[1]
	path := iscsi.Path{Target: "iqn.2026-01.lab.storage:ns-8defb89c", Group: 1, Enabled: true, LUN: 8, Portals: []string{"10.99.0.1:3260"}, ACLs: []iscsi.ACL{{
		Initiator: "iqn.2026-01.lab.ss2:initiator", LUN: 8, ReadOnly: true, CHAP: true, Session: &iscsi.Session{LoggedIn: true, State: "LOGGED_IN", From: []string{"10.99.0.2"}}}}}
	require.Equal(t, []iscsi.Path{path}, lu.Paths)
	require.Equal(t, "/dev/zvol/t1-11b02fe9/b", lu.Device)
	require.Equal(t, []any{iscsi.Online, true, "600144fc3c871ed26a64347b1a3c94d1", uint64(16 << 20), uint32(16384)},
		[]any{lu.State, lu.Saved, lu.Identity.NAA, lu.Identity.Size, lu.Identity.PhysicalBlock})
	require.Len(t, l.OpenLUNs("t1-11b02fe9"), 2)
	require.Empty(t, l.OpenLUNs("zfscap"))
}

func TestListingsThatAreOtherwise(t *testing.T) {
	whole := fixture(t, "lio/listing.txt")
	acl := []byte("acls/iqn.2026-01.lab.ss2:initiator/attrib/authentication\x00-1")
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		check  func(l iscsi.Listing, err error)
	}{
		"cut short": {func(b []byte) []byte { return b[:len(b)/2] }, func(_ iscsi.Listing, err error) {
			require.ErrorIs(t, err, fault.Unsupported)
			require.ErrorContains(t, err, "cut short")
		}},
		"a line of a later script": {func(b []byte) []byte { return bytes.Replace(b, []byte("end\n"), []byte("Q?\nend\n"), 1) },
			func(_ iscsi.Listing, err error) { require.ErrorIs(t, err, fault.Unsupported) }},
		"something may not be read": {func(b []byte) []byte { return bytes.Replace(b, []byte("end\n"), []byte("Xiscsi/a/info\nend\n"), 1) },
			func(_ iscsi.Listing, err error) { require.ErrorIs(t, err, fault.Permission) }},
		"no info: nobody knows whether it is logged in": {func(b []byte) []byte {
			var kept [][]byte
			for line := range bytes.Lines(b) {
				if !bytes.Contains(line, []byte("initiator/info\x00")) {
					kept = append(kept, line)
				}
			}
			return bytes.Join(kept, nil)
		}, func(l iscsi.Listing, err error) {
			require.NoError(t, err)
			loggedIn, unknown := l.LUs[0].Sessions()
			require.Empty(t, loggedIn)
			require.Equal(t, 1, unknown)
		}},
		"an ACL without CHAP in a group with it": {func(b []byte) []byte { return bytes.Replace(b, acl, append(acl[:len(acl)-2:len(acl)-2], '0'), 1) },
			func(l iscsi.Listing, err error) {
				require.NoError(t, err)
				require.False(t, l.LUs[0].Paths[0].ACLs[0].CHAP)
			}},
		"as root tells it": {func(b []byte) []byte {
			return bytes.Replace(b, []byte("end\n"), []byte("K\nCiscsi/iqn.2026-01.lab.storage:ns-8defb89c/tpgt_1/acls/iqn.2026-01.lab.ss2:initiator/auth/password_mutual\nend\n"), 1)
		}, func(l iscsi.Listing, err error) {
			require.NoError(t, err)
			require.Equal(t, yes(), l.LUs[0].Paths[0].ACLs[0].Mutual)
		}},
		"as root tells it, without": {func(b []byte) []byte { return bytes.Replace(b, []byte("end\n"), []byte("K\nend\n"), 1) },
			func(l iscsi.Listing, err error) {
				require.NoError(t, err)
				require.Equal(t, no(), l.LUs[0].Paths[0].ACLs[0].Mutual)
			}},
		"everybody": {func(b []byte) []byte {
			return bytes.Replace(b, []byte("generate_node_acls\x000"), []byte("generate_node_acls\x001"), 1)
		},
			func(l iscsi.Listing, err error) {
				require.NoError(t, err)
				require.Len(t, l.Remarks, 2)
				require.True(t, l.LUs[0].Paths[0].Open)
			}},
		"a zvol that was renamed": {func(b []byte) []byte {
			return bytes.Replace(b, []byte("Z/dev/zvol/t1-11b02fe9/b\x00"), []byte("Z/dev/zvol/t1-11b02fe9/renamed\x00"), 1)
		},
			func(l iscsi.Listing, err error) {
				require.NoError(t, err)
				require.Equal(t, "/dev/zvol/t1-11b02fe9/renamed", l.LUs[1].Device)
				require.NotEmpty(t, l.OpenLUNs("t1-11b02fe9/renamed"))
			}},
		"a zvol that was renamed, and another has its name": {func(b []byte) []byte {
			b = bytes.Replace(b, []byte("Z/dev/zvol/t1-11b02fe9/b\x00"), []byte("Z/dev/zvol/t1-11b02fe9/renamed\x00"), 1)
			b = bytes.Replace(b, []byte("Z/dev/zvol/t1-11b02fe9/c\x00"), []byte("Z/dev/zvol/t1-11b02fe9/b\x00"), 1)
			return bytes.Replace(b, []byte("Bcore/iblock_1/ns-22aa2b4e\x00/dev/zd80"), []byte("Bcore/iblock_1/ns-22aa2b4e\x00/dev/zd96"), 1)
		},
			func(l iscsi.Listing, err error) {
				require.NoError(t, err)
				require.Equal(t, "/dev/zvol/t1-11b02fe9/renamed", l.LUs[1].Device)
				require.Zero(t, l.LUs[1].Identity.Size, "that of the other is not its own")
				require.Empty(t, l.OpenLUNs("t1-11b02fe9/b"))
			}},
		"a closed group": {func(b []byte) []byte {
			return bytes.Replace(b, []byte("tpgt_1/enable\x001"), []byte("tpgt_1/enable\x000"), 1)
		},
			func(l iscsi.Listing, err error) {
				require.NoError(t, err)
				require.Equal(t, iscsi.Offline, l.LUs[0].State)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := iscsi.ParseLIO(c.change(bytes.Clone(whole)))
			c.check(l, err)
		})
	}
}
