package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // the tag service, as the stand-alone vcsim has it

	"nightshift/internal/endpoint"
	"nightshift/internal/identity"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/simlab"
)

const importSecret = "import-secret-42"

// stockVCenter is vcsim as it comes.
func stockVCenter(t *testing.T) (address, fingerprint string) {
	t.Helper()
	m := simulator.VPX()
	require.NoError(t, m.Create())
	m.Service.TLS = new(tls.Config)
	m.Service.Listen = &url.URL{User: url.UserPassword("night", importSecret)}
	m.Service.RegisterEndpoints = true
	s := m.Service.NewServer()
	t.Cleanup(func() { s.Close(); m.Remove() })
	return "https://" + s.URL.Host, endpoint.Fingerprint(s.Certificate())
}

// importer is a console without a lab file.
func importer(t *testing.T) *console {
	c := newConsole(t, &fakeLab{})
	require.NoError(t, os.Remove("lab.yaml"))
	return c
}

func (c *console) answer(text string) { c.in = strings.NewReader(text) }

func TestImportAsksBeforeItTrusts(t *testing.T) {
	address, fingerprint := stockVCenter(t)
	c := importer(t)
	t.Setenv("VC_TEST", importSecret)
	args := []string{"lab", "import", "--vcenter", address, "--user", "night", "--password", "env:VC_TEST"}

	require.Equal(t, exitRefused, c.run(args...), "nobody can be asked")
	require.Contains(t, c.stderr.String(), "--fingerprint "+fingerprint)
	c.answer("no\n")
	require.Equal(t, exitRefused, c.run(args...))
	require.Equal(t, exitRefused, c.run(append(args, "--fingerprint", strings.Repeat("AB", 32))...))
	require.Contains(t, c.stderr.String(), "another certificate")
	require.NoFileExists(t, "lab.yaml")

	c.answer("yes\n")
	require.Equal(t, exitDone, c.run(args...), c.stderr)
	require.Contains(t, c.stderr.String(), fingerprint, "it is shown before the question")
	info, err := os.Stat("lab.yaml")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	lab, err := inventory.Load("lab.yaml")
	require.NoError(t, err)
	require.Equal(t, fingerprint, lab.VCenters[0].TLS.Fingerprint)
	require.Equal(t, inventory.SecretRef("env:VC_TEST"), lab.VCenters[0].Password)
	require.Len(t, lab.Hosts, 4)
	for _, h := range lab.Hosts {
		require.True(t, h.Keep, "nobody could switch it on again")
	}
	require.Equal(t, "dc0", lab.Lab)
	require.Equal(t, exitDone, c.run("lab", "check"), c.stdout)
	require.Equal(t, exitDone, c.run("lab", "graph"), c.stderr)
	require.Contains(t, c.stdout.String(), "4 guests in any order")
	require.NotContains(t, c.stdout.String(), "0 levels")
}

func TestImportNeverWritesThePassword(t *testing.T) {
	address, fingerprint := stockVCenter(t)
	c := importer(t)
	args := []string{"lab", "import", "--vcenter", strings.TrimPrefix(address, "https://"), "--user", "night", "--fingerprint", fingerprint}
	require.Equal(t, exitUsage, c.run(args...), "there is no terminal to ask on")
	require.Contains(t, c.stderr.String(), "--password")
	require.Equal(t, exitUsage, c.run(append(args, "--password", importSecret)...), "that is none of the references")
	require.NotContains(t, c.stdout.String()+c.stderr.String(), importSecret)

	asked := ""
	c.password = func(prompt string) ([]byte, error) { asked = prompt; return []byte(importSecret), nil }
	require.Equal(t, exitDone, c.run(args...), c.stderr)
	require.Contains(t, asked, "night at "+address)
	text, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	require.NotContains(t, string(text)+c.stdout.String()+c.stderr.String(), importSecret)
	require.Contains(t, string(text), "password: env:VC_PASSWORD")
	require.Contains(t, string(text), "# ? the password itself never stands here")

	c.password = func(string) ([]byte, error) { return nil, nil }
	require.Equal(t, exitRefused, c.run(append(args, "--out", "other.yaml")...))
	require.NoFileExists(t, "other.yaml")
}

func TestImportAsksBeforeItReplaces(t *testing.T) {
	address, fingerprint := stockVCenter(t)
	c := importer(t)
	t.Setenv("VC_TEST", importSecret)
	args := []string{"lab", "import", "--vcenter", address, "--user", "night", "--password", "env:VC_TEST", "--fingerprint", fingerprint, "--name", "mine"}
	require.NoError(t, os.WriteFile("lab.yaml", []byte("dear to me"), 0o640))
	require.NoError(t, os.Symlink("lab.yaml", "link.yaml"))
	require.Equal(t, exitRefused, c.run(args...))
	c.answer("no\n")
	require.Equal(t, exitRefused, c.run(args...))
	b, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	require.Equal(t, "dear to me", string(b))

	require.Equal(t, exitDone, c.run(append(args, "--out", "link.yaml", "--replace", "-o", "json")...), c.stderr)
	var got struct {
		Lab              string
		Hosts, Questions int
	}
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &got))
	require.Equal(t, "mine", got.Lab)
	require.Equal(t, 4, got.Hosts)
	require.Positive(t, got.Questions)
	info, err := os.Lstat("link.yaml")
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "the link stays one")
	info, err = os.Stat("lab.yaml")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm(), "who may read it stays as it is")

	require.Equal(t, exitDone, c.run(append(args, "--out", "-")...), c.stderr)
	_, err = inventory.Parse("stdout", c.stdout.Bytes())
	require.NoError(t, err)
}

func TestImportSaysWhatIsWrong(t *testing.T) {
	c := importer(t)
	for args, want := range map[string]string{
		"":                                  "--vcenter is missing",
		"--vcenter vc":                      "--user is missing",
		"--vcenter http://vc --user u":      "use https://",
		"--vcenter https://u:p@vc --user u": "holds a login",
		"--vcenter https:// --user u":       "no URL",
		"--vcenter vc --user u --name Lab!": "--name",
		"--vcenter vc --user u --fingerprint AB --ca x":         "give one of them",
		"--vcenter vc --user u --ca nowhere.pem":                "--ca",
		"--vcenter 127.0.0.1:1 --user u --password env:NOWHERE": "127.0.0.1:1",
	} {
		require.NotEqual(t, exitDone, c.run(append([]string{"lab", "import"}, strings.Fields(args)...)...), args)
		require.Contains(t, c.stderr.String(), want, args)
	}
	require.NoFileExists(t, "lab.yaml")
}

// The simulated lab counts logins: a refused one is not tried again, and reading changes nothing.
func TestImportOfTheSimulatedLab(t *testing.T) {
	sim, err := simlab.Start(t.Context(), simlab.Config{Spec: simlab.HomeSpec(), Speed: 600})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	c := importer(t)
	args := []string{"lab", "import", "--vcenter", sim.VCenterURL(), "--user", sim.Spec().User, "--fingerprint", sim.VCenterFingerprint()}
	c.password = func(string) ([]byte, error) { return []byte("wrong"), nil }
	require.Equal(t, exitFailed, c.run(args...))
	require.Equal(t, simlab.Logins{Failed: 1}, sim.Logins()["vcenter"])
	require.NoFileExists(t, "lab.yaml")

	c.password = func(string) ([]byte, error) { return []byte(sim.VCenterPassword()), nil }
	require.Equal(t, exitDone, c.run(args...), c.stderr)
	require.Empty(t, sim.Calls(), "nothing was changed")
	lab, err := inventory.Load("lab.yaml")
	require.NoError(t, err)
	require.Equal(t, "home", lab.Lab)
	require.Len(t, lab.Hosts, 5)
	text, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	for _, want := range []string{"start: StartUp # on 6 guests", "keep: KeepOn # on 3 guests", "1 guest without running VMware Tools (win-old)", "/Home/vm/Applications"} {
		require.Contains(t, string(text), want)
	}
	for _, secret := range sim.Secrets() {
		require.False(t, bytes.Contains(text, []byte(secret)))
	}
	before := string(text)
	require.Equal(t, exitDone, c.run(append(args, "--replace")...), c.stderr)
	again, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	require.Equal(t, before, string(again), "the same lab makes the same file")
}

func TestLookUpOfANameThatNobodyKnows(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, map[string][]string{"nowhere.invalid": nil}, lookUp(ctx, []string{"nowhere.invalid"}))
}

// Where only replicas are left there is always a file, and it says what is wrong with it.
func TestAnImportThatIsNotValidIsWrittenAllTheSame(t *testing.T) {
	c := importer(t)
	ssh := inventory.SSH{Address: "ss.lab", User: "zfsadm", HostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIHrbsAkfcn2Ib0Sa4STRTJKnaq0zgTJGDVnIZ5yAk1u"}
	g := inventory.ProtectionGroup{Name: "mail", Source: inventory.ProtectionSource{Host: "ss1", Datasets: []string{"tank"}}, Target: inventory.ProtectionTarget{Host: "ss2", Under: "backup"}, Every: plan.Duration(time.Hour)}
	sealed, _, err := identity.Seal(identity.Record{Lab: "home", Group: "mail", Run: "r", Made: time.Unix(1_700_000_000, 0).UTC(), Protection: g,
		Source: inventory.StorageHost{Name: "ss1", SSH: ssh}, Target: inventory.StorageHost{Name: "ss2", SSH: ssh}, Datasets: []identity.Dataset{{Name: "tank", Replica: "backup/tank"}}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("mail.json", sealed, 0o600))
	require.Equal(t, exitFailed, c.run("lab", "import", "--from-record", "mail.json"))
	require.Contains(t, c.stderr.String(), "lab.yaml was written all the same")
	text, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	_, said, ok := strings.Cut(string(text), "# ? This file is not valid yet:\n")
	require.True(t, ok, "%s", text)
	_, err = inventory.Load("lab.yaml")
	require.Error(t, err)
	require.Equal(t, err.Error(), strings.TrimPrefix(strings.ReplaceAll(strings.TrimSpace(said), "\n#   ", " "), "# - "), "with the lines that are its own")
	require.Equal(t, exitFailed, c.run("lab", "import", "--from-record", "mail.json", "--out", "-"))
	require.Contains(t, c.stdout.String(), "is not valid yet")
}
