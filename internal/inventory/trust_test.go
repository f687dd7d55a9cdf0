package inventory_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

var (
	pin     = strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
	zeros   = strings.TrimSuffix(strings.Repeat("00:", 32), ":")
	hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"
)

// saved writes a lab file and loads it as `lab trust` does.
func saved(t *testing.T, text string) *inventory.Lab {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o640))
	l, err := inventory.LoadForTrust(path)
	require.NoError(t, err)
	return l
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

func TestWriteTrustInTheHomeLab(t *testing.T) {
	old := read(t, homeLab)
	l := saved(t, old)
	require.NoError(t, inventory.WriteTrust(l, []inventory.TrustChange{
		{Field: "hosts[1].bmc.tls.fingerprint", Value: pin},
		{Field: "hosts[1].bmc.serial", Value: "7XK12J1"},
		{Field: "vcenters[0].tls.fingerprint", Value: pin},
	}))
	want := strings.Replace(old, `fingerprint: "`+zeros+`"`, `fingerprint: "`+pin+`"`, 1)
	want = strings.Replace(want, "      password: env:IDRAC_PASSWORD\n", "      password: env:IDRAC_PASSWORD\n      serial: \"7XK12J1\"\n", 1)
	want = strings.Replace(want, "    password: env:VC_PASSWORD\n", "    password: env:VC_PASSWORD\n    tls:\n      fingerprint: \""+pin+"\"\n", 1)
	require.Equal(t, want, read(t, l.Path), "only these lines, and every comment, changed")
	info, err := os.Stat(l.Path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	entries, err := os.ReadDir(l.Dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left behind")

	again, err := inventory.Load(l.Path)
	require.NoError(t, err)
	require.Equal(t, pin, again.Hosts[1].BMC.TLS.Fingerprint)
	require.Equal(t, "7XK12J1", again.Hosts[1].BMC.Serial)
	require.Equal(t, pin, again.VCenters[0].TLS.Fingerprint)
}

func TestWriteTrustInOtherLayouts(t *testing.T) {
	const q = `"`
	url := "    url: https://vc1.example"
	change := inventory.TrustChange{Field: "vcenters[0].tls.fingerprint", Value: pin}
	for _, c := range []struct{ name, old, text, after string }{
		{"single quotes and a comment", url, url + "\n    tls:\n      fingerprint: '" + zeros + "' # old", url + "\n    tls:\n      fingerprint: " + q + pin + q + " # old"},
		{"no quotes", url, url + "\n    tls:\n      fingerprint: " + zeros + "   # old", url + "\n    tls:\n      fingerprint: " + q + pin + q + "   # old"},
		{"one line", url, url + "\n    tls: {fingerprint: " + strings.Repeat("0a", 32) + ", legacyTLS: false}", url + "\n    tls: {fingerprint: " + q + pin + q + ", legacyTLS: false}"},
		{"one line without it", url, url + "\n    tls: {legacyTLS: true} # old", url + "\n    tls: {fingerprint: " + q + pin + q + ", legacyTLS: true} # old"},
		{"empty", url, url + "\n    tls: {}", url + "\n    tls: {fingerprint: " + q + pin + q + "}"},
		{"beside another key", url, url + "\n    tls:\n        legacyTLS: true", url + "\n    tls:\n        legacyTLS: true\n        fingerprint: " + q + pin + q},
		{"umlauts before", url, url + "\n    tls: { fingerprint: " + q + zeros + q + " } # Schlüssel", url + "\n    tls: { fingerprint: " + q + pin + q + " } # Schlüssel"},
		{"all in one line", "  - name: vc1\n    url: https://vc1.example\n    user: ns\n    password: env:VC\n", "  - {name: vc1, url: \"https://vc1.example\"}\n",
			"  - {tls: {fingerprint: " + q + pin + q + "}, name: vc1, url: \"https://vc1.example\"}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, crlf := range []bool{false, true} {
				text, want := replace(t, c.old, c.text), replace(t, c.old, c.after)
				if crlf {
					text, want = strings.ReplaceAll(text, "\n", "\r\n"), strings.ReplaceAll(want, "\n", "\r\n")
				}
				l := saved(t, text)
				require.NoError(t, inventory.WriteTrust(l, []inventory.TrustChange{change}))
				require.Equal(t, want, read(t, l.Path))
			}
		})
	}
}

func TestWriteTrustAtTheEndOfTheFile(t *testing.T) {
	l := saved(t, strings.TrimSuffix(good, "\n")+"\nstorageHosts:\n  - name: san\n    ssh:\n      address: san:22")
	require.NoError(t, inventory.WriteTrust(l, []inventory.TrustChange{{Field: "storageHosts[0].ssh.hostKey", Value: hostKey}}))
	require.True(t, strings.HasSuffix(read(t, l.Path), "      address: san:22\n      hostKey: \""+hostKey+"\"\n"))
}

func TestWriteTrustRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change inventory.TrustChange
		says   string
	}{
		"another field":      {inventory.TrustChange{Field: "vcenters[0].url", Value: "https://evil"}, "cannot be recorded"},
		"a value with quote": {inventory.TrustChange{Field: "hosts[0].bmc.serial", Value: `a", keep: "`}, "cannot be recorded"},
		"a line break":       {inventory.TrustChange{Field: "hosts[0].bmc.serial", Value: "a\nlab: x"}, "cannot be recorded"},
		"no fingerprint":     {inventory.TrustChange{Field: "hosts[0].bmc.tls.fingerprint", Value: "AB"}, "no SHA-256 fingerprint"},
		"no such host":       {inventory.TrustChange{Field: "hosts[9].bmc.serial", Value: "x"}, "there is no hosts[9]"},
		"a host without BMC": {inventory.TrustChange{Field: "hosts[1].bmc.serial", Value: "x"}, "there is no such part"},
	} {
		l := saved(t, good)
		err := inventory.WriteTrust(l, []inventory.TrustChange{c.change})
		require.ErrorContains(t, err, c.says, name)
		require.Equal(t, good, read(t, l.Path), "%s: the file is left alone", name)
	}
}

func TestWriteTrustRefusesALayoutThatItDoesNotKnow(t *testing.T) {
	text := replace(t, "    url: https://vc1.example", "    url: https://vc1.example\n    tls:\n      fingerprint: >-\n        "+zeros)
	l := saved(t, text)
	err := inventory.WriteTrust(l, []inventory.TrustChange{{Field: "vcenters[0].tls.fingerprint", Value: pin}})
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "by hand")
	require.ErrorContains(t, err, pin)
	require.Equal(t, text, read(t, l.Path))
}

func TestWriteTrustRefusesAFileThatChanged(t *testing.T) {
	l := saved(t, good)
	require.NoError(t, os.WriteFile(l.Path, []byte(good+"# edited\n"), 0o600))
	err := inventory.WriteTrust(l, []inventory.TrustChange{{Field: "hosts[0].bmc.serial", Value: "x"}})
	require.ErrorContains(t, err, "changed while it was looked at")
	require.Equal(t, good+"# edited\n", read(t, l.Path))
}

func TestWriteTrustKeepsASymbolicLink(t *testing.T) {
	l := saved(t, good)
	link := filepath.Join(t.TempDir(), "link.yaml")
	require.NoError(t, os.Symlink(l.Path, link))
	l, err := inventory.Load(link)
	require.NoError(t, err)
	require.NoError(t, inventory.WriteTrust(l, []inventory.TrustChange{{Field: "hosts[0].bmc.serial", Value: "x"}}))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	require.Contains(t, read(t, link), `serial: "x"`)
}

// Of an old editor, or of a tool: YAML takes \r alone for the end of a line.
func TestWriteTrustInAFileWithCarriageReturnsAlone(t *testing.T) {
	old := strings.ReplaceAll(good, "\n", "\r")
	l := saved(t, old)
	require.NoError(t, inventory.WriteTrust(l, []inventory.TrustChange{{Field: "vcenters[0].tls.fingerprint", Value: pin}}))
	require.Equal(t, strings.Replace(old, "    password: env:VC\r", "    password: env:VC\r    tls:\r      fingerprint: \""+pin+"\"\r", 1), read(t, l.Path))
}
