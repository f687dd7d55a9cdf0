package inventory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

const ipmiLab = `lab: home
self: {outside: true}
vcenters: [{name: vc1, url: "https://vc1", user: ns, password: env:VC}]
hosts:
  - name: esx21
    bmc: `

func TestABMCThroughIPMI(t *testing.T) {
	l, err := inventory.Parse("lab.yaml", []byte(ipmiLab+`{url: "ipmi://10.0.0.21/", user: root, password: env:BMC, serial: TAG1}`))
	require.NoError(t, err)
	require.True(t, l.Hosts[0].BMC.IPMI())
	require.Equal(t, "ipmi://10.0.0.21", l.Hosts[0].BMC.URL)

	for name, c := range map[string]struct{ bmc, field, says string }{
		"no login":      {`{url: "ipmi://b"}`, "hosts[0].bmc", "wants a user and a password"},
		"no password":   {`{url: "ipmi://b", user: root}`, "hosts[0].bmc.user", "no password"},
		"long user":     {`{url: "ipmi://b", user: seventeen-letters, password: env:B}`, "hosts[0].bmc.user", "at most 16"},
		"no host":       {`{url: "ipmi://", user: root, password: env:B}`, "hosts[0].bmc.url", "names no host"},
		"a path":        {`{url: "ipmi://b/redfish", user: root, password: env:B}`, "hosts[0].bmc.url", "ends after host and port"},
		"a port":        {`{url: "ipmi://b:0", user: root, password: env:B}`, "hosts[0].bmc.url", "1 to 65535"},
		"a login in it": {`{url: "ipmi://root:secret-one@b", user: root, password: env:B}`, "hosts[0].bmc.url", "holds a login"},
		"a certificate": {`{url: "ipmi://b", user: root, password: env:B, tls: {legacyTLS: true}}`, "hosts[0].bmc.tls", "no certificate"},
		"insecure":      {`{url: "ipmi://b", user: root, password: env:B, insecure: true}`, "hosts[0].bmc.insecure", "for http://"},
		"basic":         {`{url: "ipmi://b", user: root, password: env:B, basicAuth: true}`, "hosts[0].bmc.basicAuth", "for Redfish"},
		"a system":      {`{url: "ipmi://b", user: root, password: env:B, system: /redfish/v1/Systems/1}`, "hosts[0].bmc.system", "for Redfish"},
		"twice": {`{url: "ipmi://b", user: root, password: env:B}` + "\n  - name: esx22\n    bmc: " + `{url: "ipmi://B:623", user: root, password: env:B}`,
			"hosts[1].bmc.url", "have one BMC"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inventory.Parse("lab.yaml", []byte(ipmiLab+c.bmc))
			require.ErrorContains(t, err, c.field+": ")
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "secret-one")
		})
	}
	for _, e := range []string{"vcenters", "esxi"} { // IPMI is for BMCs only
		_, err := inventory.Parse("lab.yaml", []byte(`lab: home
self: {outside: true}
vcenters: [{name: vc1, url: "`+map[bool]string{true: "ipmi", false: "https"}[e == "vcenters"]+`://vc1"}]
hosts: [{name: esx21, esxi: {url: "`+map[bool]string{true: "ipmi", false: "https"}[e == "esxi"]+`://e"}}]`))
		require.ErrorContains(t, err, "does not begin with https://", e)
	}
}
