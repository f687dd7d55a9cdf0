package iscsi_test

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	require.NoError(t, err)
	return b
}

// What LIO answered to open-iscsi for serial number 5eadbeef-1122-3344-5566-778899aabbcc and the product vol1, put together by
// spc_emulate_evpd_83, with a port's NAA added: NAA, T10 name, relative port, port group, unit group, names of port and target.
func lioPage83() []byte {
	t10 := "LIO-ORG vol1:5eadbeef-1122-3344-5566-778899aabbcc\x00"
	port, device := "iqn.2026-01.lab.storage:ds1,t,0x0001\x00\x00\x00\x00", "iqn.2026-01.lab.storage:ds1\x00"
	b := append([]byte{0x01, 0x03, 0x00, 0x10}, 0x60, 0x01, 0x40, 0x55, 0xea, 0xdb, 0xee, 0xf1, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67, 0x78, 0x89)
	b = append(append(b, 0x02, 0x01, 0x00, byte(len(t10))), t10...)
	b = append(b, 0x01, 0x13, 0x00, 0x08, 0x50, 0, 0, 0, 0, 0, 0, 1) // a port's own NAA, as Fibre Channel has it
	b = append(b, 0x51, 0x94, 0x00, 0x04, 0, 0, 0, 1, 0x51, 0x95, 0x00, 0x04, 0, 0, 0, 0, 0x01, 0x06, 0x00, 0x04, 0, 0, 0, 0)
	b = append(append(b, 0x53, 0x98, 0x00, byte(len(port))), port...)
	b = append(append(b, 0x53, 0xa8, 0x00, byte(len(device))), device...)
	return append([]byte{0x00, 0x83, byte(len(b) >> 8), byte(len(b))}, b...)
}

const labSerial = "5eadbeef-1122-3344-5566-778899aabbcc"

func inquiry(vendor, product, revision string, flags byte) []byte {
	b := make([]byte, 36)
	b[2], b[3], b[4], b[5] = 6, 2, 31, flags
	copy(b[8:], vendor+strings.Repeat(" ", 8-len(vendor))+product+strings.Repeat(" ", 16-len(product))+revision+strings.Repeat(" ", 4-len(revision)))
	return b
}

func TestWhatAnInitiatorSees(t *testing.T) {
	serial := append([]byte{0, 0x80, 0, byte(len(labSerial) + 1)}, labSerial+"\x00"...)
	seen := iscsi.Seen{LUN: 7, Inquiry: inquiry("LIO-ORG", "vol1", "4.0", 0x08), Page80: serial, Page83: lioPage83(), CacheIsBack: yes(),
		PageB0:     append([]byte{0, 0xb0, 0, 0x3c, 1, 1}, make([]byte, 58)...),
		Capacity16: append(unhex(t, "0000000000 0fffff 00000200 00 05 4000"), make([]byte, 16)...)}
	id, err := seen.Identity()
	require.NoError(t, err)
	want := iscsi.Identity{LUN: 7, NAA: "6001405" + "5eadbeef11223344556677889", Serial: labSerial, Vendor: "LIO-ORG", Product: "vol1", Revision: "4.0",
		LogicalBlock: 512, PhysicalBlock: 16384, Size: 512 << 20, CompareAndWrite: yes(), ExtendedCopy: yes(), WriteCache: yes(), Designators: id.Designators}
	require.Equal(t, want, id)
	require.Len(t, id.Designators, 2, "those of ports and groups differ between hosts")
	as, err := iscsi.As(iscsi.LIO, id)
	require.NoError(t, err)
	require.Equal(t, id, as, "what LIO says can be published on another LIO, to the last byte of page 0x83")
	require.Empty(t, iscsi.Expressible(iscsi.LIO, id))

	seen.Page80 = append([]byte{0, 0x80, 0, byte(len(labSerial) + 24)}, strings.Repeat(" ", 24)+labSerial...)
	id, err = seen.Identity()
	require.NoError(t, err)
	require.Equal(t, labSerial, id.Serial, "tgt fills it up in front")
}

func TestAnswersThatAreNone(t *testing.T) {
	good := iscsi.Seen{Inquiry: inquiry("SUN", "COMSTAR", "1.0", 0), Page83: lioPage83()}
	_, err := good.Identity()
	require.NoError(t, err)
	for name, change := range map[string]func(s *iscsi.Seen){
		"INQUIRY has 35 bytes":      func(s *iscsi.Seen) { s.Inquiry = s.Inquiry[:35] },
		"page 0x83 has":             func(s *iscsi.Seen) { s.Page83 = s.Page83[:3] },
		"the answer is page 0x80":   func(s *iscsi.Seen) { s.Page83 = []byte{0, 0x80, 0, 0} },
		"40 came":                   func(s *iscsi.Seen) { s.Page83 = s.Page83[:44] },
		"ends within the name":      func(s *iscsi.Seen) { s.Page83 = []byte{0, 0x83, 0, 5, 1, 3, 0, 16, 0x60} },
		"at least 2 are needed":     func(s *iscsi.Seen) { s.PageB0 = []byte{0, 0xb0, 0, 1, 1} },
		"READ CAPACITY(16) has":     func(s *iscsi.Seen) { s.Capacity16 = make([]byte, 13) },
		"tells of blocks up to 0":   func(s *iscsi.Seen) { s.Capacity16 = make([]byte, 32) },
		"page 0x80 says that it ha": func(s *iscsi.Seen) { s.Page80 = []byte{0, 0x80, 0, 9, 'x'} },
	} {
		s := good
		change(&s)
		_, err := s.Identity()
		require.ErrorIs(t, err, fault.Unsupported, name)
		require.ErrorContains(t, err, name)
	}
	good.Inquiry[0] = 0x60
	_, err = good.Identity()
	require.ErrorIs(t, err, fault.NotFound)
}

// Measured: an NAA of LIO's own, and the document's, which is COMSTAR's.
func TestTheNAAThatLIOMakes(t *testing.T) {
	for _, c := range []struct {
		company uint32
		serial  string
		naa     string
	}{
		{iscsi.LIOCompany, labSerial, "60014055eadbeef11223344556677889"},
		{iscsi.LIOCompany, strings.ToUpper(labSerial), "60014055eadbeef11223344556677889"},
		{0x00144f, "07ed404000000496ff8cd0003", sunGUID},
		{0x00144f, "07ed404000000496ff8cd0003ff", sunGUID},
		{0x0001ff, "00112233445566778899aabbccddeeff0", "60001ff00112233445566778899aabbc"},
		{iscsi.LIOCompany, "disk 1", "6001405" + "d1" + strings.Repeat("0", 23)},
		{iscsi.LIOCompany, "", "6001405" + strings.Repeat("0", 25)},
	} {
		require.Equal(t, c.naa, iscsi.LIONAA(c.company, c.serial), c.serial)
	}
}

func TestWhatATargetCannotExpress(t *testing.T) {
	sun := comstar()
	for name, c := range map[string]struct {
		kind   iscsi.Kind
		change func(id *iscsi.Identity)
		says   []string
	}{
		"nothing":         {iscsi.LIO, func(*iscsi.Identity) {}, nil},
		"on its own":      {iscsi.COMSTAR, func(id *iscsi.Identity) { id.CompareAndWrite = nil }, nil},
		"a write-through": {iscsi.LIO, func(id *iscsi.Identity) { id.WriteCache = no() }, []string{"write cache: no is wanted, it is yes"}},
		"a serial number of its own": {iscsi.LIO, func(id *iscsi.Identity) { id.Serial = "SN-0001" },
			[]string{`serial number: "SN-0001" is wanted, it is "07ed404000000496ff8cd0003"`}},
		"EUI":        {iscsi.LIO, func(id *iscsi.Identity) { id.NAA = "" }, []string{`LIO shows no NAA but one of 32 digits that begins with 6; this is ""`}},
		"LUN":        {iscsi.LIO, func(id *iscsi.Identity) { id.LUN = 256 }, []string{"LIO publishes LUN numbers up to 255 in the form that initiators read as such; this is 256"}},
		"not a disk": {iscsi.LIO, func(id *iscsi.Identity) { id.DeviceType = 1 }, []string{"it is no disk, but of device type 1"}},
		"product": {iscsi.COMSTAR, func(id *iscsi.Identity) { id.Product = "seventeen letters" },
			[]string{`the product "seventeen letters" is not made of at most 16 characters of ASCII without a blank at the end`}},
		"blocks": {iscsi.LIO, func(id *iscsi.Identity) { id.LogicalBlock = 520 }, []string{"LIO shows blocks of 512, 1024, 2048 or 4096 bytes, not of 520"}},
		"locks":  {iscsi.COMSTAR, func(*iscsi.Identity) {}, []string{"compare and write: yes is wanted, it is not known"}},
		"iscsitgt": {iscsi.Iscsitgt, func(id *iscsi.Identity) { id.Serial = "1" }, []string{`revision: "1.0" is wanted, it is not known`,
			`serial number: "1" is wanted, it is not known`, "compare and write: yes is wanted, it is not known"}},
	} {
		id := sun
		c.change(&id)
		require.Equal(t, c.says, iscsi.Expressible(c.kind, id), name)
	}
}

func TestDifferences(t *testing.T) {
	want := comstar()
	got := want
	got.LUN, got.Product, got.NAA, got.Revision = 4, "COMSTARX", vm109, ""
	list := iscsi.Diff(want, got)
	require.Equal(t, []string{
		"LUN number: 3 is wanted, it is 4",
		"NAA: " + sunGUID + " is wanted, it is " + vm109,
		`product: "COMSTAR" is wanted, it is "COMSTARX"`,
		`revision: "1.0" is wanted, it is not known`,
	}, iscsi.Words(list))
	require.Empty(t, iscsi.Diff(iscsi.Identity{}, iscsi.Identity{NAA: vm109, Serial: "x"}), "what is not wanted is not compared")
}

func TestRecord(t *testing.T) {
	lu := iscsi.LU{Name: "vol1", Device: "/dev/zvol/tank/vol1", Identity: comstar(), Paths: []iscsi.Path{{Target: iqn, Group: 1, LUN: 0,
		Portals: []string{portal}, ACLs: []iscsi.ACL{{Initiator: esx1, LUN: 3, CHAP: true, Session: &iscsi.Session{LoggedIn: true}}}}}}
	lu.Identity.LUN = 0
	lu.Identity.Designators = []iscsi.Designator{{CodeSet: 1, Type: iscsi.DesignatorNAA, Value: unhex(t, sunGUID)}}
	r := iscsi.NewRecord(iscsi.LIO, lu, nil)
	require.Equal(t, uint16(3), r.Identity.LUN, "as initiators see it")
	b, err := r.Marshal()
	require.NoError(t, err)
	require.JSONEq(t, `{"version":1,"kind":"lio","name":"vol1","device":"/dev/zvol/tank/vol1","identity":{"deviceType":0,"lun":3,"naa":"`+sunGUID+`",
		"designators":[{"codeSet":1,"association":0,"type":3,"value":"`+sunGUID+`"}],"vendor":"SUN","product":"COMSTAR","revision":"1.0","logicalBlock":512,
		"compareAndWrite":true},"paths":[{"target":"`+iqn+`","group":1,"lun":0,"portals":["`+portal+`"],"acls":[{"initiator":"`+esx1+`","lun":3,"chap":true}]}]}`, string(b))
	back, err := iscsi.ParseRecord(b)
	require.NoError(t, err)
	require.Equal(t, r, back)
	for _, bad := range []string{"", "{", `{"version":2}`, `{}`, `{"version":1}x`, `{"version":1,"identity":{"naa":"60"}}`, `{"version":1,"identity":{"designators":[{"value":"x"}]}}`} {
		_, err := iscsi.ParseRecord([]byte(bad))
		require.ErrorIs(t, err, fault.Unsupported, bad)
	}
	_, err = iscsi.ParseRecord([]byte(`{"version":1,"later":1}`))
	require.NoError(t, err, "a field of a later nightshift does no harm")
}

// A record says who proves itself by CHAP and where the lab file has the secrets. What the target tells goes before what the lab file says.
func TestARecordRefersToSecrets(t *testing.T) {
	entry := inventory.TargetCHAP{Initiators: []string{esx1, esx2}, User: "esx", Secret: "file:chap", MutualUser: "ds", MutualSecret: "env:DS_CHAP"}
	target := &inventory.StorageTarget{Kind: "lio", CHAP: []inventory.TargetCHAP{{Initiators: []string{"iqn.1998-01.com.vmware:other"}, User: "x", Secret: "env:X"}, entry}}
	whole := iscsi.RecordACL{Initiator: esx1, CHAP: true, User: "esx", Secret: "file:chap", MutualUser: "ds", MutualSecret: "env:DS_CHAP"}
	for name, c := range map[string]struct {
		is     iscsi.ACL
		target *inventory.StorageTarget
		want   iscsi.RecordACL
	}{
		"the target tells no names":     {iscsi.ACL{CHAP: true}, target, whole},
		"it tells the same":             {iscsi.ACL{CHAP: true, User: "esx", MutualUser: "ds"}, target, whole},
		"no lab file says":              {iscsi.ACL{CHAP: true, User: "esx", Mutual: yes(), MutualUser: "ds"}, nil, iscsi.RecordACL{CHAP: true, User: "esx", Mutual: yes(), MutualUser: "ds"}},
		"no CHAP":                       {iscsi.ACL{}, target, iscsi.RecordACL{}},
		"another user":                  {iscsi.ACL{CHAP: true, User: "u"}, target, iscsi.RecordACL{CHAP: true, User: "u", MutualUser: "ds", MutualSecret: "env:DS_CHAP"}},
		"the target proves itself not":  {iscsi.ACL{CHAP: true, Mutual: no()}, target, iscsi.RecordACL{CHAP: true, User: "esx", Secret: "file:chap", Mutual: no()}},
		"the target as another":         {iscsi.ACL{CHAP: true, Mutual: yes(), MutualUser: "t"}, target, iscsi.RecordACL{CHAP: true, User: "esx", Secret: "file:chap", Mutual: yes(), MutualUser: "t"}},
		"an initiator that is not said": {iscsi.ACL{Initiator: "iqn.1998-01.com.vmware:third", CHAP: true}, target, iscsi.RecordACL{Initiator: "iqn.1998-01.com.vmware:third", CHAP: true}},
	} {
		c.is.Initiator, c.want.Initiator = cmp.Or(c.is.Initiator, esx1), cmp.Or(c.want.Initiator, esx1)
		r := iscsi.NewRecord(iscsi.LIO, iscsi.LU{Paths: []iscsi.Path{{ACLs: []iscsi.ACL{c.is}}}}, c.target)
		require.Equal(t, []iscsi.RecordACL{c.want}, r.Paths[0].ACLs, name)
		b, err := r.Marshal()
		require.NoError(t, err)
		back, err := iscsi.ParseRecord(b)
		require.NoError(t, err)
		require.Equal(t, r, back, name)
	}
}

// ZFS and LIO are silent where they should not be: the guard is ours.
func TestOpenLUNs(t *testing.T) {
	l := iscsi.Listing{LUs: []iscsi.LU{{Name: "a", Device: "/dev/zvol/tank/mail/d1", Identity: iscsi.Identity{NAA: sunGUID}}, {Name: "b", Device: "/dev/zvol/rdsk/tank/web"},
		{Name: "c", Device: "/tank/images/c.img"}, {Name: "d", Device: "/dev/sdb", State: iscsi.Offline}}}
	names := func(dataset string) string {
		var list []string
		for _, lu := range l.OpenLUNs(dataset) {
			list = append(list, lu.Name)
		}
		return strings.Join(list, "")
	}
	require.Equal(t, "a", names("tank/mail/d1"))
	require.Equal(t, "a", names("tank/mail"), "a parent takes it along")
	require.Equal(t, "abc", names("tank"))
	require.Equal(t, "c", names("tank/images"))
	require.Empty(t, names("tank/mail/d"))
	require.Empty(t, names("tank/mail/d1/x"))
	require.NoError(t, l.Free("tank/other", "rename tank/other"))
	err := l.Free("tank/mail/d1", "roll back tank/mail/d1")
	require.ErrorIs(t, err, fault.State)
	require.ErrorIs(t, err, fault.NotDone)
	require.EqualError(t, err, "roll back tank/mail/d1: the logical unit a (naa."+sunGUID+") is on /dev/zvol/tank/mail/d1; initiators would lose or mix up what they wrote: unpublish first")
	l.LUs = append(l.LUs, iscsi.LU{Name: "e"})
	require.Equal(t, "e", names("pool/elsewhere"), "nobody can say that it is not on that one")
}

func TestSilenceIsNoAnswer(t *testing.T) {
	lu := iscsi.LU{Paths: []iscsi.Path{{Open: true, ACLs: []iscsi.ACL{{Initiator: esx1}, {Initiator: esx2, Session: &iscsi.Session{LoggedIn: true}}}}}}
	loggedIn, unknown := lu.Sessions()
	require.Equal(t, []string{esx2}, loggedIn)
	require.Equal(t, 2, unknown)
	lu.Paths[0].Unlisted = []string{}
	_, unknown = lu.Sessions()
	require.Equal(t, 1, unknown, "the target says that there is no other")
}

func TestNAAs(t *testing.T) {
	for in, want := range map[string]string{"600144F721DCA2888BA402E411EE3AF1": vm109, "naa." + sunGUID: sunGUID, "0x5000c5001234abcd": "5000c5001234abcd", "wwn-0x" + sunGUID: sunGUID} {
		got, err := iscsi.CanonicalNAA(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"", "6", "700144f721dca2888ba402e411ee3af1", "60014", sunGUID + "00", "600144f721dca2888ba402e411ee3afg"} {
		_, err := iscsi.CanonicalNAA(bad)
		require.Error(t, err, bad)
	}
}

func TestIdentityIsPlainJSON(t *testing.T) {
	b, err := json.Marshal(iscsi.Identity{})
	require.NoError(t, err)
	require.JSONEq(t, `{"deviceType":0,"lun":0}`, string(b), "what is not known is not written")
}
