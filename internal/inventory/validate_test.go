package inventory_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

func TestNamesAndReferences(t *testing.T) {
	const two = "lab: home\nsites: [{name: a}, {name: b}]"
	for _, b := range []bad{
		{name: "lab in capitals", old: "lab: home", text: "lab: Home", place: "1:6", field: "lab", says: []string{`"Home" is no name for a lab`, "lower-case"}},
		{name: "lab too long", old: "lab: home", text: "lab: " + strings.Repeat("a", 41), place: "1:6", field: "lab", says: []string{"at most 40"}},
		{name: "lab empty", old: "lab: home", text: `lab: ""`, place: "1:6", field: "lab", says: []string{"empty"}},
		{name: "lab with a dash at its end", old: "lab: home", text: "lab: home-", place: "1:6", field: "lab", says: []string{"no name"}},
		{name: "host with a colon", old: "  - name: esx22", text: "  - name: esx:22", place: "14:11", field: "hosts[1].name", says: []string{"is no name"}},
		{name: "guest with a blank at its end", old: "  - name: web01", text: `  - name: "web01 "`, place: "17:11", field: "guests[0].name", says: []string{"no name in vCenter"}},
		{name: "no vCenter", old: good[strings.Index(good, "vcenters:"):strings.Index(good, "hosts:")], text: "vcenters: []\n", place: "3:1", field: "vcenters", says: []string{"no vCenter"}},
		{name: "two hosts of one name", old: "  - name: esx22", text: "  - name: esx21", place: "14:11", field: "hosts[1].name", says: []string{"host esx21 is here twice", "hosts[0].name"}},
		{name: "two hosts of one address", old: "  - name: esx22", text: "  - name: esx22\n    address: ESX21", place: "15:14", field: "hosts[1].address", says: []string{"address ESX21 is here twice"}},
		{name: "two vCenters of one name", old: "hosts:", text: "  - name: vc1\n    url: https://other\nhosts:", place: "8:11", field: "vcenters[1].name", says: []string{"vCenter vc1 is here twice"}},
		{name: "two guests of one name", old: "  - name: web01", text: "  - name: web01\n  - name: web01", place: "18:11", field: "guests[1].name", says: []string{"guest web01 is here twice"}},
		{name: "two guests of one UUID", old: "  - name: web01", text: "  - {name: a, uuid: 50300000-0000-0000-0000-00000000000a}\n  - name: web01\n    uuid: 50300000-0000-0000-0000-00000000000A", place: "19:11", field: "guests[1].uuid", says: []string{"this UUID is here twice"}},
		{name: "UUID", old: "  - name: web01", text: "  - name: web01\n    uuid: 4711", place: "18:11", field: "guests[0].uuid", says: []string{"want text, got a number"}},
		{name: "UUID form", old: "  - name: web01", text: "  - name: web01\n    uuid: 4711-x", place: "18:11", field: "guests[0].uuid", says: []string{"no UUID"}},
		{name: "unknown vCenter", old: "    keep: true", text: "    vcenter: vc2", place: "15:14", field: "hosts[1].vcenter", says: []string{`no vCenter "vc2"`, `did you mean "vc1"?`}},
		{name: "unknown site", old: "    user: ns", text: "    user: ns\n    site: brno", place: "7:11", field: "vcenters[0].site", says: []string{`no site "brno"`}},
		{name: "which site", old: "lab: home", text: two, place: "5:5", field: "vcenters[0].site", says: []string{"not said which site", "a, b"}},
		{name: "self nowhere", old: "self: {outside: true}", text: "self: {}", place: "2:1", field: "self", says: []string{"not said where nightshift itself runs"}},
		{name: "self twice", old: "self: {outside: true}", text: "self: {outside: true, guest: x}", place: "2:1", field: "self", says: []string{"exactly one of"}},
		{name: "self needs only", old: "self: {outside: true}", text: "self: {needs: [pg]}", place: "2:1", field: "self", says: []string{"not said where nightshift itself runs"}},
		{name: "self needs one twice", old: "self: {outside: true}", text: "self: {outside: true, needs: [pg, pg]}", place: "2:35", field: "self.needs[1]", says: []string{"pg is here twice"}},
		{name: "self needs itself", old: "self: {outside: true}", text: "self: {guest: mgmt, needs: [mgmt]}", place: "2:29", field: "self.needs[0]", says: []string{"which is kept already"}},
		{name: "self needs its own machine", old: "self: {outside: true}", text: "self: {outside: true, needs: [\"127.0.0.1\"]}", place: "2:31", field: "self.needs[0]", says: []string{"on this machine only", "or the guest's name"}},
		{name: "self on an unknown host", old: "self: {outside: true}", text: "self: {host: esx29}", place: "2:14", field: "self.host", says: []string{`no host "esx29"`, `did you mean "esx2`}},
		{name: "unknown group", old: "    after: [db01]", text: "    after: [\"group:dbs\"]", place: "18:13", field: "guests[0].after[0]", says: []string{`no group "dbs"`, `did you mean "db"?`}},
		{name: "double after", old: "    after: [db01]", text: "    after: [db01, db01]", place: "18:19", field: "guests[0].after[1]", says: []string{"db01 is here twice"}},
		{name: "empty group", old: "    guests: [db01]", text: "", place: "20:5", field: "groups[0]", says: []string{"the group has no guests"}},
		{name: "unknown runbook", old: "lab: home", text: "lab: home\nrunbooks: {powerdown: {approval: true}}", place: "2:12", field: "runbooks.powerdown", says: []string{`did you mean "power-down"?`, "power-down, power-up, settle"}},
		{name: "health address", old: "    after: [db01]", text: "    health: {tcp: [web01]}", place: "18:20", field: "guests[0].health.tcp[0]", says: []string{`"web01" is no address`, "host:port"}},
		{name: "health URL", old: "    after: [db01]", text: "    health: {http: [\"ftp://web01\"]}", place: "18:21", field: "guests[0].health.http[0]", says: []string{"no URL to look at"}},
		{name: "basicAuth without a user", old: "    keep: true", text: "    bmc:\n      url: https://b\n      basicAuth: true", place: "17:18", field: "hosts[1].bmc.basicAuth", says: []string{"no user"}},
		{name: "BMC needed by the host's own policy", old: "    keep: true", text: "    shutdown: {onTimeout: forceOff}", place: "14:5", field: "hosts[1]", says: []string{"onTimeout: forceOff needs a bmc, and host esx22 has none"}},
	} {
		b.run(t)
	}
}

func TestBMCNeededByTheLabsPolicy(t *testing.T) {
	text := "policies: {host: {via: graceful}}\n" + good
	_, err := inventory.Parse("lab.yaml", []byte(text))
	require.NoError(t, err, "esx22 is kept")
	_, err = inventory.Parse("lab.yaml", []byte(strings.Replace(text, "    keep: true\n", "", 1)))
	require.ErrorContains(t, err, "lab.yaml:15:5: hosts[1]: via: graceful needs a bmc")
}

func TestEndpoints(t *testing.T) {
	const url, user, password = "    url: https://vc1.example", "    user: ns", "    password: env:VC"
	u := func(name, text, says string) bad {
		return bad{name: name, old: url, text: "    url: " + text, place: "5:10", field: "vcenters[0].url", says: []string{says}}
	}
	for _, b := range []bad{
		u("no scheme", "vc1.example", "does not begin with https://"),
		u("other scheme", "ssh://vc1.example", "does not begin with https://"),
		u("no host", "https://", "names no host"),
		u("no URL", `"https://[vc1"`, "this is no URL"),
		u("port", "https://vc1:70000", "the port is not one of"),
		u("no port after a colon", `"https://vc1:"`, "the port is not one of"),
		u("query", "https://vc1/?a=b", "has a ? or # part"),
		u("clear text", "http://vc1", "http:// sends the password in clear text"),
		u("login", "https://ns:hunter2@vc1", "the URL holds a login"),
		{name: "insecure for https", old: url, text: url + "\n    insecure: true", place: "6:15", field: "vcenters[0].insecure", says: []string{"does not switch off", "lab trust"}},
		{name: "tls for http", old: url, text: "    url: http://vc1\n    insecure: true\n    tls: {ca: ca.pem}", place: "7:5", field: "vcenters[0].tls", says: []string{"no meaning"}},
		{name: "user without password", old: password, text: "", place: "6:11", field: "vcenters[0].user", says: []string{"a user but no password"}},
		{name: "password without user", old: user + "\n", text: "", place: "6:15", field: "vcenters[0].password", says: []string{"a password but no user"}},
		{name: "fingerprint", old: url, text: url + "\n    tls: {fingerprint: \"AA:BB\"}", place: "6:24", field: "vcenters[0].tls.fingerprint", says: []string{"no SHA-256 fingerprint", "lab trust"}},
		{name: "SHA-1", old: url, text: url + "\n    tls: {fingerprint: \"" + strings.Repeat("ab", 20) + "\"}", place: "6:24", field: "vcenters[0].tls.fingerprint", says: []string{"64 hex digits"}},
		{name: "fingerprint and CA", old: url, text: url + "\n    tls: {ca: x, fingerprint: \"" + strings.Repeat("ab", 32) + "\"}", place: "6:5", field: "vcenters[0].tls", says: []string{"keep one"}},
		{name: "legacy alone", old: url, text: url + "\n    tls: {legacyTLS: true}", place: "6:22", field: "vcenters[0].tls.legacyTLS", says: []string{"with a fingerprint only", "lab trust"}},
		{name: "one BMC", old: "    keep: true", text: "    bmc: {url: \"https://ESX21-oob:443/\"}", place: "15:16", field: "hosts[1].bmc.url", says: []string{"hosts esx21 and esx22 have one BMC", "hosts[0].bmc", "its own system: /redfish/v1/Systems"}},
		{name: "one BMC, one system", old: "    keep: true", text: "    bmc: {url: \"https://esx21-oob\", system: /redfish/v1/Systems/2}", place: "15:16", field: "hosts[1].bmc.url", says: []string{"only one of them names a system"}},
		{name: "system", old: "    keep: true", text: "    bmc: {url: \"https://b\", system: \"1\"}", place: "15:37", field: "hosts[1].bmc.system", says: []string{"no path of a system", "/redfish/v1/Systems/1"}},
		{name: "SSH address", old: "    keep: true", text: "    ssh: {address: \"root@esx22\"}", place: "15:20", field: "hosts[1].ssh.address", says: []string{"no address"}},
		{name: "SSH host key", old: "    keep: true", text: "    ssh: {address: esx22, hostKey: \"ssh-ed25519 AAAA\"}", place: "15:36", field: "hosts[1].ssh.hostKey", says: []string{"no host key"}},
	} {
		b.run(t)
	}
}

func TestTwoSystemsBehindOneBMC(t *testing.T) {
	text := replace(t, "      url: https://esx21-oob", "      url: https://chassis\n      system: /redfish/v1/Systems/1")
	text = strings.Replace(text, "    keep: true", "    bmc: {url: https://chassis/, system: /redfish/v1/Systems/2/}", 1)
	l, err := inventory.Parse("lab.yaml", []byte(text))
	require.NoError(t, err)
	require.Equal(t, "https://chassis", l.Hosts[1].BMC.URL)
	require.Equal(t, "/redfish/v1/Systems/2", l.Hosts[1].BMC.System)
}

// Whatever a person puts where a reference belongs is most likely the secret itself.
func TestNoErrorQuotesASecret(t *testing.T) {
	const secret = "hunter2"
	for _, value := range []string{
		"hunter2", "12345hunter2", "hunter2:x", `"hunter2`, "'hunter2", "env:hunter2-x", "@hunter2", "*hunter2", "!hunter2", "&hunter2", ">hunter2",
		"|hunter2", "[hunter2", "[hunter2]", "{hunter2", "{hunter2: 1}", "%hunter2", "hunter2: x", "`hunter2", "exec:'hunter2", "exec:", "? hunter2",
		"\"hunter2\\q\"", "\"\\nhunter2\"", "|\n      hunter2\n      x", "- hunter2", "\thunter2", "#hunter2\n     hunter2",
	} {
		_, err := inventory.Parse("lab.yaml", []byte(replace(t, "    password: env:VC", "    password: "+value)))
		require.Error(t, err, value)
		require.NotContains(t, err.Error(), secret, value)
	}
	_, err := inventory.Parse("lab.yaml", []byte(replace(t, "https://vc1.example", "https://ns:hunter2@vc1")))
	require.NotContains(t, err.Error(), secret)
}

func TestCycles(t *testing.T) {
	for _, c := range []struct{ name, guests, groups, want string }{
		{"itself", "[{name: a, after: [a]}]", "[]", "a after a"},
		{"two", "[{name: web01, after: [db01]}, {name: db01, after: [web01]}]", "[]", "web01 after db01 after web01"},
		{"three, entered from outside", "[{name: z, after: [a]}, {name: a, after: [b]}, {name: b, after: [c]}, {name: c, after: [a]}]", "[]", "a after b after c after a"},
		{"through a group", `[{name: a, after: ["group:g"]}, {name: b, after: [a]}]`, "[{name: g, guests: [b]}]", "a after group:g with b after a"},
		{"by its group", "[{name: b, after: [a]}]", "[{name: g, guests: [a], after: [b]}]", "b after a (in group:g) after b"},
		{"groups by tag", "[]", `[{name: g, tag: x, after: ["group:h"]}, {name: h, tag: y, after: ["group:g"]}]`, "group:g after group:h after group:g"},
		{"group after its own", "[]", "[{name: g, guests: [a], after: [a]}]", "a (in group:g) after a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := good[:strings.Index(good, "guests:\n  - name: web01")] + "guests: " + c.guests + "\ngroups: " + c.groups + "\n"
			_, err := inventory.Parse("lab.yaml", []byte(text))
			require.ErrorContains(t, err, "in a circle")
			t.Log(err)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestOrdersThatAreNoCycle(t *testing.T) {
	for name, guests := range map[string]string{
		"diamond":              "[{name: a, after: [b, c]}, {name: b, after: [d]}, {name: c, after: [d]}]",
		"guest of two groups":  `[{name: a, after: ["group:db", "group:other"]}]`,
		"unlisted guest":       "[{name: a, after: [nobody]}]",
		"names in two vCenter": "[{name: a, vcenter: vc1, after: [b]}, {name: b, vcenter: vc1}, {name: b, vcenter: vc2, after: [a]}, {name: a, vcenter: vc2}]",
	} {
		text := good[:strings.Index(good, "guests:\n  - name: web01")] + "guests: " + guests + "\ngroups: [{name: db, guests: [x]}, {name: other, guests: [x]}]\n"
		text = strings.Replace(text, "hosts:\n", "  - name: vc2\n    url: https://vc2\nhosts:\n", 1)
		text = strings.ReplaceAll(strings.ReplaceAll(text, "name: esx21", "name: esx21\n    vcenter: vc1"), "name: esx22", "name: esx22\n    vcenter: vc1")
		if !strings.Contains(guests, "vcenter") {
			text = strings.ReplaceAll(text, "{name: a", "{vcenter: vc1, name: a")
			text = strings.ReplaceAll(text, "{name: b", "{vcenter: vc1, name: b")
			text = strings.ReplaceAll(text, "{name: c", "{vcenter: vc1, name: c")
		}
		_, err := inventory.Parse("lab.yaml", []byte(text))
		require.NoError(t, err, name)
	}
}

func TestProvisions(t *testing.T) {
	g := func(name, text, place, field string, says ...string) bad {
		return bad{name: name, old: "  - name: web01", text: text, place: place, field: field, says: says}
	}
	h := func(name, text, place, field string, says ...string) bad {
		return bad{name: name, old: "    keep: true", text: text, place: place, field: field, says: says}
	}
	const second = "guests[0].provides[1]"
	for _, b := range []bad{
		{name: "the old key", old: "    user: ns", text: "    user: ns\n    guest: vcsa", place: "7:5", field: "vcenters[0]", says: []string{`the key "guest" is no more`, "say provides: [vcenter] at the guest"}},
		g("unknown kind", "  - name: web01\n    provides: [dnss]", "18:16", "guests[0].provides[0]", `"dnss" is nothing that a machine provides`, `did you mean "dns"?`),
		g("datastore without a name", "  - name: web01\n    provides: [datastore]", "18:16", "guests[0].provides[0]", "not said which datastore"),
		g("nothing after the colon", "  - name: web01\n    provides: [\"keys:\"]", "18:16", "guests[0].provides[0]", "names nothing"),
		g("name without a meaning", "  - name: web01\n    provides: [\"dns:x\"]", "18:16", "guests[0].provides[0]", "dns has no name"),
		g("unknown vCenter", "  - name: web01\n    provides: [\"vcenter:vc2\"]", "18:16", "guests[0].provides[0]", `no vCenter "vc2"`),
		g("twice", "  - name: web01\n    provides: [dns, dns]", "18:21", second, "dns is here twice"),
		g("twice, one named", "  - name: web01\n    provides: [vcenter, \"vcenter:vc1\"]", "18:25", second, "vcenter:vc1 is here twice"),
		g("two providers of a datastore", "  - {name: ss1, provides: [\"datastore:tank\"]}\n  - {name: ss2, provides: [\"datastore:tank\"]}\n  - name: web01", "18:28", "guests[1].provides[0]", "datastore tank has two providers", "guests[0].provides[0]"),
		g("two guests of a vCenter", "  - {name: a, provides: [vcenter]}\n  - {name: b, provides: [\"vcenter:vc1\"]}\n  - name: web01", "18:26", "guests[1].provides[0]", "vCenter vc1 has two providers"),
		h("vCenter on a host", "    provides: [vcenter]", "15:16", "hosts[1].provides[0]", "runs in a guest, not on a host"),
		h("esxi without TLS", "    esxi: {url: \"http://esx22\"}", "15:17", "hosts[1].esxi.url", "clear text"),
		h("esxi with a login", "    esxi: {url: \"https://esx22\", user: root}", "15:40", "hosts[1].esxi.user", "a user but no password"),
		h("esxi that is the vCenter", "    esxi: {url: \"https://VC1.example:443/\"}", "15:17", "hosts[1].esxi.url", "this URL is here twice", "vcenters[0].url"),
		h("woken though it has a BMC", "    bmc: {url: \"https://b\"}\n    wakeOnLan: {mac: \"00:11:22:33:44:55\", witness: [\"a:22\"]}", "16:5", "hosts[1].wakeOnLan", "has a bmc, too"),
		h("MAC", "    wakeOnLan: {mac: \"00:11\", witness: [\"a:22\"]}", "15:22", "hosts[1].wakeOnLan.mac", "no MAC address"),
		h("no witness", "    wakeOnLan: {mac: \"00:11:22:33:44:55\", witness: []}", "15:43", "hosts[1].wakeOnLan.witness", "there is no witness"),
		h("witness without a port", "    wakeOnLan: {mac: \"00:11:22:33:44:55\", witness: [esx22]}", "15:53", "hosts[1].wakeOnLan.witness[0]", "no address", "host:port"),
		h("broadcast", "    wakeOnLan: {mac: \"00:11:22:33:44:55\", broadcast: \"a b\", witness: [\"a:22\"]}", "15:54", "hosts[1].wakeOnLan.broadcast", "no address"),
	} {
		b.run(t)
	}
}

func TestOneDatastoreNameInTwoVCenters(t *testing.T) {
	text := replace(t, "  - name: web01", "  - {name: ss1, vcenter: vc1, provides: [\"datastore:tank\"]}\n  - {name: ss2, vcenter: vc2, provides: [\"datastore:tank\", \"keys:a\", dns]}\n  - name: web01\n    vcenter: vc1")
	text = strings.Replace(text, "hosts:\n", "  - name: vc2\n    url: https://vc2\nhosts:\n", 1)
	text = strings.ReplaceAll(strings.ReplaceAll(text, "name: esx21", "name: esx21\n    vcenter: vc1"), "name: esx22", "name: esx22\n    vcenter: vc1")
	l, err := inventory.Parse("lab.yaml", []byte(text))
	require.NoError(t, err)
	require.Len(t, l.Providers(inventory.ProvidesDatastore), 2)
	require.Equal(t, "ss2", l.Providers(inventory.ProvidesKeys)[0].Guest.Name)
	require.Equal(t, "a", l.Providers(inventory.ProvidesKeys)[0].Name)
	require.Len(t, l.Providers(""), 4)
	_, ok := l.VCenterGuest("vc1")
	require.False(t, ok)
}
