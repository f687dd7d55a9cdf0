package iscsi_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
)

// publish gives the program a text, as whoever may run it can.
func (r rig) publish(name, spec string) (said string, status int) {
	r.Helper()
	res, err := r.host.Act(r.Context(), []string{iscsi.LIOProgramPath, "publish", name}, strings.NewReader(spec))
	require.NoError(r, err)
	return string(res.Stdout) + string(res.Stderr), res.Status
}

func (r rig) spec(p iscsi.Publication) string {
	r.Helper()
	spec, err := iscsi.LIOSpec(p)
	require.NoError(r, err)
	return spec
}

// Whoever may run the program as root is not root: what would become another path, or another device, is refused before anything is made.
func TestTheProgramBelievesNobody(t *testing.T) {
	r := newRig(t)
	good := r.spec(publication(r.volume("tank/vol1")))
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("a:3260", nil, 0o600)) // what a pattern would become
	before := r.list()
	for _, line := range []string{
		"device ", "device /dev/sda", "device /dev/zvol/", "device /dev/zvol", "device /dev/zvol/../sda", "device /dev/zvol/tank/../../sda", "device /dev/zvol/tank/..",
		"device /dev/zvol/./tank/vol1", "device /dev/zvol//tank/vol1", "device /dev/zvol/tank/vol1,readonly=0", "device /dev/zvol/tank/*", "device tank/vol1",
		"company ", "company 0x1", "company 005199", "company 00005199", "company x[$(id)]", "company 0x0000144g", "company 0x00144g", "company 0x000014450", "company 0x0100144f",
		"target ", "target ../x", "target ..", "target iqn.2026-01.lab/../../x", "target iqn.2026-01.lab *", "target x",
		"group ", "group ../x", "group 1/../x", "group 01", "group -1", "group 1x", "group 123456",
		"lun ", "lun ../x", "lun 3/..", "lun 03", "block 512x", "block 0512", "caw 2", "xcopy x", "readonly 0,x", "chap ", "chap 2",
		"portal ..", "portal ../../x", "portal 10.0.0.1:3260/..", "portal 10.0.0.1", "portal *:3260", "portal x:y",
		"grant ", "grant ../../../../../../../../home/zfsadm/x", "grant ..", "grant esx1", "grant iqn.x/../..", "grant iqn.x y", "grant-readonly x",
	} {
		word, _, _ := strings.Cut(line, " ")
		var lines []string
		there := false
		for l := range strings.Lines(good) {
			if strings.HasPrefix(l, word+" ") {
				l, there = line+"\n", true
			}
			lines = append(lines, l)
		}
		if !there {
			lines = append(lines[:len(lines)-1], line+"\n", "end\n")
		}
		said, status := r.publish("vol1", strings.Join(lines, ""))
		require.Equal(t, 2, status, "%s: %s", line, said)
		require.Equal(t, before, r.list(), line)
		require.NoFileExists(t, r.host.Path("/etc/nightshift-lio/vol1.lu"), line)
	}
	for _, name := range []string{"", ".", "..", ".x", "a/b", "../x", "a b", "a*", "a\nb"} {
		_, status := r.publish(name, strings.Replace(good, "name vol1", "name "+name, 1))
		require.Equal(t, 2, status, "%q", name)
		res, err := r.host.Act(t.Context(), []string{iscsi.LIOProgramPath, "unpublish", name}, nil)
		require.NoError(t, err)
		require.Equal(t, 2, res.Status, "%q", name)
	}
	said, status := r.publish("vol1", strings.Replace(good, "company 0x00", "company 0x", 1)) // as a person writes it
	require.Zero(t, status, said)
	said, status = r.publish("vol1", good)
	require.Zero(t, status, said)
}

// What is accepted here is understood there, character by character; 3: it is understood, and there is no such device.
func TestTheProgramUnderstandsAllThatIsAccepted(t *testing.T) {
	r := newRig(t)
	grant := func(p *iscsi.Publication, initiator string) {
		p.Grants = append(p.Grants, iscsi.Grant{Initiator: initiator, CHAP: p.Grants[0].CHAP})
	}
	fields := map[string]func(p *iscsi.Publication, c string){
		"name":      func(p *iscsi.Publication, c string) { p.Name = "a" + c + "b" },
		"device":    func(p *iscsi.Publication, c string) { p.Device = "/dev/zvol/tank/a" + c + "b" },
		"target":    func(p *iscsi.Publication, c string) { p.Target += c + "b" },
		"zone":      func(p *iscsi.Publication, c string) { p.Portals = append(p.Portals, "[fe80::1%e"+c+"0]:3260") },
		"initiator": func(p *iscsi.Publication, c string) { p.Grants[0].Initiator += c + "b" },
		"eui":       func(p *iscsi.Publication, c string) { grant(p, "eui.02004567a425678"+c) },
		"naa":       func(p *iscsi.Publication, c string) { grant(p, "naa.5001405b0000000"+c) },
		"user":      func(p *iscsi.Publication, c string) { p.Grants[0].CHAP.User = "a" + c + "b" },
		"secret": func(p *iscsi.Publication, c string) {
			p.Grants[0].CHAP.Secret = inventory.NewSecret(c + secret + c + "x")
		},
		"mutual":       func(p *iscsi.Publication, c string) { p.Grants[0].CHAP.MutualUser = "t" + c + "t" },
		"vendor":       func(p *iscsi.Publication, c string) { p.Identity.Vendor = "a" + c + "b" },
		"product":      func(p *iscsi.Publication, c string) { p.Identity.Product = "a" + c + "b" },
		"revision":     func(p *iscsi.Publication, c string) { p.Identity.Revision = "a" + c + "b" },
		"serialNumber": func(p *iscsi.Publication, c string) { p.Identity.Serial = "07ed404000000496ff8cd0003" + c + "x" },
	}
	accepted := map[string]string{}
	for c := byte(0); c < 128; c++ {
		all := publication("/dev/zvol/tank/none")
		all.Grants[0].CHAP.MutualUser, all.Grants[0].CHAP.MutualSecret = "t", inventory.NewSecret("the targets own 3")
		for name, set := range fields {
			p := publication("/dev/zvol/tank/none")
			p.Grants[0].CHAP.MutualUser, p.Grants[0].CHAP.MutualSecret = "t", inventory.NewSecret("the targets own 3")
			set(&p, string(c))
			if _, err := iscsi.LIOSpec(p); err == nil {
				accepted[name] += string(c)
				set(&all, string(c))
			}
		}
		said, status := r.publish(all.Name, r.spec(all))
		require.Equal(t, 3, status, "%q: %s", c, said)
	}
	require.Equal(t, "-./0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz", accepted["device"])
	require.NotContains(t, accepted["zone"], "/")

	yes, no := true, false
	for name, change := range map[string]func(p *iscsi.Publication){
		"the largest numbers": func(p *iscsi.Publication) { p.Group, p.Identity.LUN, p.Identity.LogicalBlock = 65535, 255, 4096 },
		"the smallest":        func(p *iscsi.Publication) { p.Group, p.Identity.LUN, p.Identity.LogicalBlock = 1, 0, 512 },
		"nothing more":        func(p *iscsi.Publication) { p.Identity = iscsi.Identity{NAA: sunGUID, Product: "x"} },
		"switches on": func(p *iscsi.Publication) {
			p.ReadOnly, p.Identity.CompareAndWrite, p.Identity.ExtendedCopy = true, &yes, &yes
		},
		"switches off": func(p *iscsi.Publication) { p.Identity.CompareAndWrite, p.Identity.ExtendedCopy = &no, &no },
		"no CHAP": func(p *iscsi.Publication) {
			p.Grants = []iscsi.Grant{{Initiator: esx1, ReadOnly: true}, {Initiator: esx2}}
		},
		"the last company":  func(p *iscsi.Publication) { p.Identity.NAA = "6ffffff" + sunGUID[7:] },
		"the first company": func(p *iscsi.Publication) { p.Identity.NAA = "6000000" + sunGUID[7:] },
		"portals of all kinds": func(p *iscsi.Publication) {
			p.Portals = []string{"0.0.0.0:3260", "[::]:3260", "[2001:db8::1]:860", "[::ffff:10.0.0.1]:1"}
		},
	} {
		p := publication("/dev/zvol/tank/none")
		change(&p)
		said, status := r.publish(p.Name, r.spec(p))
		require.Equal(t, 3, status, "%s: %s", name, said)
	}
	for _, device := range []string{"/dev/zvol/tank/a+b", "/dev/zvol/tank/a b"} { // a zvol whose name has a blank, as udev names it and as it is
		said, status := r.publish("vol1", strings.Replace(r.spec(publication("/dev/zvol/tank/none")), "/dev/zvol/tank/none", device, 1))
		require.Equal(t, 3, status, "%s: %s", device, said)
	}
}

// Who publishes may lose the connection: what is then, and finds to be so, is also what comes back at boot.
func TestAPublicationOfWhichNobodyHears(t *testing.T) {
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	p.Grants = append(p.Grants, iscsi.Grant{Initiator: esx2, CHAP: p.Grants[0].CHAP})
	r.ensure(p)
	p.Grants = p.Grants[:1]
	_ = r.host.Unheard(t.Context(), []string{"publish", "vol1"}, strings.NewReader(r.spec(p))) // how it ended nobody hears either
	require.Empty(t, r.ensure(p), "it is so")
	before := r.list()
	res, err := r.host.Boot(t.Context())
	require.NoError(t, err)
	require.Zero(t, res.Status, "%s", res.Summary())
	require.Equal(t, before, r.list(), "whose LUN was taken away has not got it back")
}

// What lies where the program is started is none of its business: neither as a module nor as a match for the brackets of IPv6.
func TestTheProgramTakesNothingFromWhereItIsStarted(t *testing.T) {
	r := newRig(t)
	here := t.TempDir()
	for name, text := range map[string]string{"json.py": "open('taken', 'w')\nraise SystemExit\n", "::3260": "", "1:3260": ""} {
		require.NoError(t, os.WriteFile(here+"/"+name, []byte(text), 0o600))
	}
	file := r.host.Path("/etc/target/saveconfig.json")
	require.NoError(t, os.MkdirAll(r.host.Path("/etc/target"), 0o755))
	require.NoError(t, os.WriteFile(file, fixture(t, "saveconfig.json"), 0o600))
	p := publication(r.volume("tank/vol1"))
	p.Portals = []string{"[::1]:3260"}
	t.Chdir(here)
	_, err := r.target.Publish(t.Context(), p)
	require.ErrorContains(t, err, "no portal at [::1]:3260")
	p.Portals = []string{portal}
	_, err = r.target.Publish(t.Context(), p)
	require.NoError(t, err)
	require.NoFileExists(t, here+"/taken")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(text), `"vol1"`)
}
