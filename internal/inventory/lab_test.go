package inventory_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

const (
	homeLab = "../../examples/home-lab/lab.yaml"
	minimal = "../../examples/minimal/lab.yaml"
)

func minutes(n int) plan.Duration { return plan.Duration(time.Duration(n) * time.Minute) }

func TestMinimalExampleHasEveryDefault(t *testing.T) {
	l, err := inventory.Load(minimal)
	require.NoError(t, err)
	require.True(t, filepath.IsAbs(l.Path))
	require.Equal(t, filepath.Dir(l.Path), l.Dir)
	require.Len(t, l.Hash, 64)
	require.Equal(t, []inventory.Site{{Name: "minimal"}}, l.Sites)
	require.Equal(t, "minimal", l.VCenters[0].Site)
	require.Equal(t, "vc1", l.Hosts[0].VCenter)
	require.Equal(t, "esx01.example.com", l.Hosts[0].Address)
	require.Equal(t, inventory.Tags{Keep: "KeepOn", Start: "StartUp"}, l.Tags)
	require.Equal(t, inventory.Limits{VCenter: 16, Host: 4, BMC: 1, PowerOn: 4, Storage: 2}, l.Limits)
	require.Equal(t, inventory.Policies{
		Guest:      inventory.GuestPolicy{Method: "shutdown", Timeout: minutes(5), OnTimeout: "leave", NoTools: "leave"},
		Host:       inventory.HostPolicy{Via: "vcenter", NoRights: "leave", Timeout: minutes(15), OnTimeout: "leave", Boot: minutes(20), Maintenance: minutes(10)},
		SettleTime: minutes(1), VCLS: minutes(10), Datastores: minutes(10),
	}, l.Policies)
	require.Equal(t, plan.Settings{OnFailure: plan.Ask, BlockedDeadline: minutes(12 * 60), ApprovalDeadline: minutes(60)}, l.Settings("power-down"))
}

func TestHomeLabExample(t *testing.T) {
	l, err := inventory.Load(homeLab)
	require.NoError(t, err)

	kept, ok := l.Host("esx11")
	require.True(t, ok)
	require.True(t, kept.Keep)
	for _, name := range []string{"esx21", "esx22", "esx23", "esx24"} {
		h, ok := l.HostByAddress("vc1", name+".HOME.example")
		require.True(t, ok)
		require.Equal(t, name, h.Name)
		require.Equal(t, "https://"+name+"-oob.home.example", h.BMC.URL)
		require.True(t, h.BMC.TLS.Legacy)
	}
	_, ok = l.HostByAddress("vc2", "esx21.home.example")
	require.False(t, ok)
	_, ok = l.Host("esx25")
	require.False(t, ok)
	vcsa, ok := l.VCenterGuest("vc1")
	require.True(t, ok)
	require.Equal(t, "vcsa", vcsa.Name)
	require.Equal(t, []inventory.Provision{"vcenter:vc1"}, vcsa.Provides)
	nuc, ok := l.Cluster("vc1", "NUC")
	require.True(t, ok)
	require.True(t, nuc.Keep)
	demo, ok := l.Group("demo")
	require.True(t, ok)
	require.Equal(t, "Demo", demo.Tag)

	settings := l.Settings("power-down")
	require.Equal(t, minutes(8*60), settings.BlockedDeadline)
	require.Equal(t, minutes(60), settings.ApprovalDeadline)
	require.Equal(t, minutes(120), l.Settings("power-up").Deadline)
}

func TestPoliciesAreMergedFieldByField(t *testing.T) {
	l, err := inventory.Load(homeLab)
	require.NoError(t, err)
	db, ok := l.Guest("vc1", "db01", "")
	require.True(t, ok)
	require.Equal(t, inventory.GuestPolicy{Method: "shutdown", Timeout: minutes(10), OnTimeout: "leave", NoTools: "powerOff"}, l.GuestPolicy(db))
	require.Equal(t, inventory.GuestPolicy{Method: "shutdown", Timeout: minutes(5), OnTimeout: "powerOff", NoTools: "powerOff"}, l.GuestPolicy(nil))
	slow, _ := l.Host("esx24")
	require.Equal(t, minutes(30), l.HostPolicy(slow).Boot)
	require.Equal(t, minutes(15), l.HostPolicy(slow).Timeout)
	require.Equal(t, minutes(20), l.HostPolicy(nil).Boot)
}

func TestGuestsOfOneNameAreToldApartByUUID(t *testing.T) {
	const a, b, c = "50300000-0000-0000-0000-00000000000a", "50300000-0000-0000-0000-00000000000b", "50300000-0000-0000-0000-00000000000c"
	l, err := inventory.Parse("lab.yaml", []byte(replace(t, "  - name: web01", "  - {name: twin, uuid: 50300000-0000-0000-0000-00000000000A, keep: true}\n  - {name: twin, uuid: "+b+"}\n  - name: web01")))
	require.NoError(t, err)
	g, ok := l.Guest("vc1", "twin", a)
	require.True(t, ok)
	require.True(t, g.Keep)
	g, ok = l.Guest("vc1", "twin", b)
	require.True(t, ok)
	require.False(t, g.Keep)
	_, ok = l.Guest("vc1", "twin", c)
	require.False(t, ok, "a third VM of that name is not listed")
	_, ok = l.Guest("vc1", "web01", c)
	require.True(t, ok, "an entry without a UUID is for any VM of its name")
	_, ok = l.Guest("vc2", "web01", "")
	require.False(t, ok)
}

func TestURLsAndFingerprintsAreMadeAlike(t *testing.T) {
	l, err := inventory.Parse("lab.yaml", []byte(replace(t, "    url: https://vc1.example",
		"    url: https://vc1.example/sdk/\n    tls: {fingerprint: \"SHA256:abababababababababababababababababababababababababababababababab\"}")))
	require.NoError(t, err)
	require.Equal(t, "https://vc1.example/sdk", l.VCenters[0].URL)
	require.Equal(t, "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB", l.VCenters[0].TLS.Fingerprint)
}

func TestHashIsOfTheBytes(t *testing.T) {
	a, err := inventory.Parse("lab.yaml", []byte(good))
	require.NoError(t, err)
	b, err := inventory.Parse("lab.yaml", []byte(good+"# a comment\n"))
	require.NoError(t, err)
	require.NotEqual(t, a.Hash, b.Hash)
}

func TestLoadForTrustNeedsNoFingerprints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.yaml")
	require.NoError(t, os.WriteFile(path, []byte(replace(t, "      user: root", "      user: root\n      tls: {legacyTLS: true}")), 0o600))
	_, err := inventory.Load(path)
	require.ErrorContains(t, err, "nightshift lab trust")
	l, err := inventory.LoadForTrust(path)
	require.NoError(t, err)
	require.True(t, l.Hosts[0].BMC.TLS.Legacy)
}

func TestNoFile(t *testing.T) {
	_, err := inventory.Load(filepath.Join(t.TempDir(), "lab.yaml"))
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "there is no such lab file")
	_, err = inventory.Load(t.TempDir())
	require.ErrorContains(t, err, "read the lab file")
}

func TestEveryExampleIsValid(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/lab.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 6)
	for _, file := range files {
		l, err := inventory.Load(file)
		require.NoError(t, err)
		require.Equal(t, filepath.Base(filepath.Dir(file)), l.Lab+map[string]string{"home": "-lab"}[l.Lab], "an example is called as its directory")
	}
}
