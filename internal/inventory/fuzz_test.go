package inventory_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

// FuzzParse: whatever the bytes, the parser answers a lab or errors that say where. A lab is the same when it is read from
// what is printed of it.
func FuzzParse(f *testing.F) {
	for _, path := range []string{homeLab, minimal, storageExample} {
		b, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(b)
	}
	for _, s := range []string{good, ipmiLab, rackUPS, twoStores + mailGroup, "", "a: &a [*a]", "? a\n: b", "lab: {", "hosts: [{name: }]", "- - -", "lab: |\n", "guests: [{name: a, after: [a]}]",
		"hosts:\n  - name: a\n    bmc: {url: \"https://[\"}", "self: ~\nself: 1", "lab: \"\\x00\"", "%YAML 1.2\n---\na: b", "runbooks: {power-up: ~}", "vcenters: [[]]",
		strings.ReplaceAll(good, "\n", "\r"), "\ufeff" + good, good + "policies: {guest: {timeout: 1h30m}, settleTime: 90s}\nlimits: {vcenter: 8}\ntags: {keep: a}\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := inventory.Parse("lab.yaml", data)
		if err != nil {
			tellsWhere(t, data, err)
			return
		}
		require.NotEmpty(t, l.VCenters)
		require.NotEmpty(t, l.Hosts)
		printed, err := json.Marshal(l.File)
		require.NoError(t, err)
		again, err := inventory.Parse("lab.yaml", printed)
		require.NoError(t, err, "%s", printed)
		require.Equal(t, l.File, again.File)
	})
}

// tellsWhere wants errors of one line each, that name the file, a line that it has, and nothing that a terminal obeys.
func tellsWhere(t *testing.T, data []byte, err error) {
	t.Helper()
	var list inventory.Errors
	require.ErrorAs(t, err, &list)
	require.NotEmpty(t, list)
	lines := 1 + strings.Count(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n") + strings.Count(strings.ReplaceAll(string(data), "\r\n", "\n"), "\r")
	for _, e := range list {
		require.Equal(t, "lab.yaml", e.File)
		require.NotEmpty(t, e.Problem)
		require.LessOrEqual(t, e.Line, lines, "%s", e)
		if e.Field != "" {
			require.Positive(t, e.Line, "%s", e)
		}
		if e.Line > 0 {
			require.Positive(t, e.Column, "%s", e)
		}
		require.False(t, strings.ContainsFunc(e.Error(), unicode.IsControl), "%q", e.Error())
	}
}

// FuzzSecretsStayOut: what stands where a password belongs, or in a URL, is in no error, whatever is round it.
func FuzzSecretsStayOut(f *testing.F) {
	for _, s := range [][2]string{{"", ""}, {`"`, `"`}, {"'", ""}, {"exec:pass '", ""}, {"env:", "-x"}, {"env ", ": y"}, {"{", ": 1}"}, {"[", "]"}, {"|\n      ", ""}, {"https://u:", "@h"},
		{"https://[", ""}, {"ftp://", ""}, {"!!binary ", ""}, {"*", ""}, {"&", " x"}, {"%", ""}, {"file:/", "\x00"}, {"", "\x80"}, {"", "\n\t- a"}, {"@", ""}, {"`", ""}, {"", ": y"}, {`"\q`, `"`}} {
		f.Add(s[0], s[1])
	}
	const secret = "Kanarienvogel77"
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.ContainsAny(before, "\n\r") {
			return // it would be another key's
		}
		for _, old := range []string{"    password: env:VC", "      password: file:secrets/bmc", "    url: https://vc1.example", "      url: https://esx21-oob"} {
			key, _, _ := strings.Cut(old, ": ")
			text := replace(t, old, key+": "+before+secret+after)
			if _, err := inventory.Parse("lab.yaml", []byte(text)); err != nil {
				require.NotContains(t, err.Error(), secret)
				tellsWhere(t, []byte(text), err)
			}
		}
	})
}

// FuzzFingerprint: what is read is written in one form, which is read as the same.
func FuzzFingerprint(f *testing.F) {
	const hex = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
	for _, s := range []string{hex, "SHA256:" + hex, "sha256=" + hex, " " + hex + "\n", hex + ":", "sha256:sha256:" + hex, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sum, err := inventory.ParseFingerprint(s)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		again, err := inventory.ParseFingerprint(inventory.FormatFingerprint(sum))
		require.NoError(t, err)
		require.Equal(t, sum, again)
	})
}

// FuzzWriteTrust: a file is left alone, or holds the new value and all that it held before.
func FuzzWriteTrust(f *testing.F) {
	const pin = "vcenters[0].tls.fingerprint"
	f.Add([]byte(good), pin)
	f.Add([]byte(strings.ReplaceAll(good, "\n", "\r\n")), "hosts[0].bmc.uuid")
	f.Add([]byte("\ufeff"+good), "hosts[0].bmc.serial")
	f.Add([]byte(strings.ReplaceAll(good, "\n", "\r")), pin)
	f.Add([]byte(strings.Replace(good, "    password: env:VC", "    password: env:VC\n    tls: {fingerprint: \"\"} # ä", 1)), pin)
	f.Add([]byte(strings.Replace(good, "https://vc1.example", "\"https://vc1.\\\n      example\"", 1)), pin)
	f.Add([]byte(strings.Replace(good, "    url: https://vc1.example\n    user: ns\n    password: env:VC", "    {url: https://vc1.example, user: ns, password: \"env:VC\"}", 1)), pin)
	f.Fuzz(func(t *testing.T, data []byte, field string) {
		path := filepath.Join(t.TempDir(), "lab.yaml")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		l, err := inventory.LoadForTrust(path)
		if err != nil {
			return
		}
		value := "4c4c4544-0037-3510-8051-b7c04f4d3332"
		if strings.HasSuffix(field, "fingerprint") {
			value = inventory.FormatFingerprint([32]byte{1, 2, 3})
		}
		err = inventory.WriteTrust(l, []inventory.TrustChange{{Field: field, Value: value}})
		text, readErr := os.ReadFile(path)
		require.NoError(t, readErr)
		if err != nil {
			require.Equal(t, string(data), string(text))
			return
		}
		now, err := inventory.LoadForTrust(path)
		require.NoError(t, err)
		require.Contains(t, string(text), value)
		require.Equal(t, len(l.Hosts), len(now.Hosts))
		require.Equal(t, strings.Count(string(data), "#"), strings.Count(string(text), "#"), "comments stay")
	})
}

// FuzzDatasets: a dataset that the lab file takes is one argument without quotes, stays below ZFS's lengths with its
// snapshots, and its replica is as good as it is.
func FuzzDatasets(f *testing.F) {
	for _, s := range []string{"tank/mail", "tank", "tank/$(x)", "a//b", "-r/x", "tank/a@b", "tank/a b", "tank/%x", "tank/" + strings.Repeat("a/", 60), "tank/..", "Tank/-x:y.z_1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		quoted, err := json.Marshal(name)
		require.NoError(t, err)
		l, err := inventory.Parse("lab.yaml", []byte(twoStores+strings.Replace(mailGroup, "tank/mail, tank/mail-log", string(quoted), 1)))
		if err != nil {
			tellsWhere(t, []byte(twoStores+mailGroup), err)
			return
		}
		g := l.ProtectionGroups[0]
		for _, d := range []string{g.Source.Datasets[0], g.Replica(g.Source.Datasets[0])} {
			require.Regexp(t, `^[A-Za-z][A-Za-z0-9_.:-]*(/[A-Za-z0-9_.:-]+)+$`, d)
			require.LessOrEqual(t, len(d+"@nightshift_mail_2006-01-02T15:04:05Z"), 255)
		}
	})
}
