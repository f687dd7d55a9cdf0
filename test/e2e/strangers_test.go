//go:build e2e

package e2e

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // the tag service, as the stand-alone vcsim has it
	"github.com/vmware/govmomi/vim25/types"
)

// A strangeLab is made of services that know nothing of each other: vcsim as it comes, which cannot shut a host down and
// calls every host connected whatever becomes of it, and Redfish services that are no simulated host's.
type strangeLab struct {
	*rig
	model *simulator.Model
	shared,
	single *stranger
}

// The lab file, as a person types it. %s: the addresses of the vCenter, the shared BMC and the single one.
const strangeFile = `
lab: strange
self: {outside: true}
vcenters:
  - name: vc
    url: %s
    user: nightshift
    password: env:STRANGE_VC
hosts:
  - name: esx0
    address: DC0_C0_H0
    bmc: {url: "%s", insecure: true, user: root, password: env:STRANGE_BMC, system: /redfish/v1/Systems/one}
  - name: esx1
    address: DC0_C0_H1
    bmc: {url: "%[2]s", insecure: true, user: root, password: env:STRANGE_BMC, system: /redfish/v1/Systems/two}
    shutdown: {via: graceful, timeout: 5s, onTimeout: forceOff}
  - name: esx2
    address: DC0_C0_H2
    bmc: {url: "%[3]s", insecure: true}
    shutdown: {noRights: graceful}
  - name: DC0_H0
    keep: true
guests:
  - {name: DC0_C0_RP0_VM1, after: [DC0_C0_RP0_VM0]}
policies:
  guest: {noTools: powerOff}
  host: {timeout: 2m, boot: 10s}
`

func newStrangeLab(t *testing.T) *strangeLab {
	m := simulator.VPX()
	require.NoError(t, m.Create())
	m.Service.TLS = new(tls.Config)
	m.Service.Listen = &url.URL{User: url.UserPassword("nightshift", "strange-vc-secret")}
	m.Service.RegisterEndpoints = true
	withTools(m, "DC0_C0_RP0_VM0")
	server := m.Service.NewServer()
	s := &strangeLab{rig: &rig{t: t, dir: t.TempDir(), patience: patience}, model: m}
	t.Cleanup(func() {
		s.kill()
		server.Close()
		m.Remove()
		if t.Failed() {
			t.Log("nightshift serve said:\n" + s.log.String())
		}
	})
	s.shared = newStranger(t, "root", "strange-bmc-secret",
		&strangeSystem{id: "one", uuid: "11111111-9e44-4fa7-8e91-f3527a1ef001"},
		&strangeSystem{id: "two", uuid: "22222222-9e44-4fa7-8e91-f3527a1ef002", deaf: true})
	s.single = newStranger(t, "", "", &strangeSystem{id: "437XR1138R2", uuid: "38947555-7742-3448-3784-823347823834", serial: "437XR1138R2"})
	t.Setenv("STRANGE_VC", "strange-vc-secret")
	t.Setenv("STRANGE_BMC", "strange-bmc-secret")
	s.labFile = filepath.Join(s.dir, "lab.yaml")
	vc := url.URL{Scheme: "https", Host: server.URL.Host}
	require.NoError(t, os.WriteFile(s.labFile, fmt.Appendf(nil, strangeFile, vc.String(), s.shared.URL, s.single.URL), 0o600))
	return s
}

// withTools has Tools run in a guest. vcsim never tells of a heartbeat.
func withTools(m *simulator.Model, guest string) {
	ctx := *m.Service.Context
	for _, o := range m.Map().AllReference("VirtualMachine") {
		vm := o.(*simulator.VirtualMachine)
		if vm.Name == guest {
			ctx.WithLock(vm, func() { vm.Guest.ToolsRunningStatus = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning) })
		}
	}
}

func (s *strangeLab) guestPower() map[string]string {
	out := map[string]string{}
	ctx := *s.model.Service.Context
	for _, o := range s.model.Map().AllReference("VirtualMachine") {
		vm := o.(*simulator.VirtualMachine)
		ctx.WithLock(vm, func() { out[vm.Name] = string(vm.Runtime.PowerState) })
	}
	return out
}

func (s *strangeLab) maintenance() map[string]bool {
	out := map[string]bool{}
	ctx := *s.model.Service.Context
	for _, o := range s.model.Map().AllReference("HostSystem") {
		h := o.(*simulator.HostSystem)
		ctx.WithLock(h, func() { out[h.Name] = h.Runtime.InMaintenanceMode })
	}
	return out
}

func (s *strangeLab) drsLevel() types.DrsBehavior {
	ctx := *s.model.Service.Context
	c := s.model.Map().Any("ClusterComputeResource").(*simulator.ClusterComputeResource)
	var level types.DrsBehavior
	ctx.WithLock(c, func() {
		level = c.ConfigurationEx.(*types.ClusterConfigInfoEx).DrsConfig.DefaultVmBehavior
	})
	return level
}

func (s *strangeLab) requirePower(power string, resets ...[]string) {
	s.t.Helper()
	for i, of := range []struct {
		bmc *stranger
		id  string
	}{{s.shared, "one"}, {s.shared, "two"}, {s.single, "437XR1138R2"}} {
		is, got := of.bmc.state(of.id)
		require.Equal(s.t, power, is, of.id)
		require.Equal(s.t, resets[i], got, "every reset was sent once: %s", of.id)
	}
}

// TestStrangers takes a lab of which nothing is ours down and up again.
func TestStrangers(t *testing.T) {
	s := newStrangeLab(t)
	before := s.guestPower()
	s.must("lab", "validate")
	_, err := s.run("lab", "check")
	require.ErrorContains(t, err, "lab trust", "the vCenter's certificate is nobody's")

	s.must("lab", "trust", "--yes")
	typed, err := os.ReadFile(s.labFile)
	require.NoError(t, err)
	require.Contains(t, string(typed), `serial: "437XR1138R2"`)
	require.Contains(t, string(typed), `uuid: "22222222-9e44-4fa7-8e91-f3527a1ef002"`, "it tells no serial number")
	require.Regexp(t, `host esx1 +exists`, s.must("lab", "check"))
	s.start()

	// esx0 is to be shut down through the vCenter, which cannot: a clear end, and a way on.
	out, err := s.run("run", "power-down", "--yes")
	require.Equal(t, 3, exitCode(err), out)
	require.ErrorContains(t, err, "ShutdownHost_Task")
	require.ErrorContains(t, err, "-p noRights=graceful")
	s.must("retry", "latest", "shutdown-host:esx0", "-p", "noRights=graceful")
	s.must("watch", "latest")
	deaf := []string{"GracefulShutdown", "ForceOff"}
	s.requirePower("Off", []string{"GracefulShutdown"}, deaf, []string{"GracefulShutdown"})
	require.Equal(t, types.DrsBehaviorManual, s.drsLevel())
	require.Equal(t, map[string]string{"DC0_H0_VM0": "poweredOn", "DC0_H0_VM1": "poweredOn",
		"DC0_C0_RP0_VM0": "poweredOff", "DC0_C0_RP0_VM1": "poweredOff"}, s.guestPower())

	// The vCenter goes on to call the hosts connected. The BMCs know better.
	require.Contains(t, s.must("run", "power-down", "--yes"), "Nothing to do: lab strange is down")
	require.Contains(t, s.must("run", "power-up", "--yes"), "See that guest DC0_C0_RP0_VM0 is up (Tools)")
	s.requirePower("On", []string{"GracefulShutdown", "On"}, append(deaf, "On"), []string{"GracefulShutdown", "On"})
	require.Equal(t, before, s.guestPower())
	require.Equal(t, types.DrsBehaviorFullyAutomated, s.drsLevel(), "vcsim leaves it out, which means the same")
	for host, in := range s.maintenance() {
		require.False(t, in, host)
	}
	require.Contains(t, s.must("run", "power-up", "--yes"), "Nothing to do: lab strange is up")
	st := s.ledger()
	require.Empty(t, st.Debts)
	require.Empty(t, st.Memory)
	require.Contains(t, s.must("plan", "power-down"), "3 hosts, 2 guests", "and so on, every night")
}

// TestStrangersUnknown: a BMC of another machine than the vCenter's host is not touched until a person has said that it
// is the host's.
func TestStrangersUnknown(t *testing.T) {
	s := newStrangeLab(t)
	s.must("lab", "trust", "--yes")
	typed, err := os.ReadFile(s.labFile)
	require.NoError(t, err)
	unsaid := regexp.MustCompile(`,? *uuid: "[^"]*"`).ReplaceAll(typed, nil)
	require.NotEqual(t, string(typed), string(unsaid))
	require.NoError(t, os.WriteFile(s.labFile, unsaid, 0o600))
	_, err = s.run("lab", "check")
	require.ErrorContains(t, err, "another server")
	s.start()
	_, err = s.run("run", "power-down", "--yes")
	require.Equal(t, 4, exitCode(err))
	require.ErrorContains(t, err, "this is another machine")
	require.ErrorContains(t, err, "lab trust")
	s.requirePower("On", nil, nil, nil)
	require.Equal(t, "poweredOn", s.guestPower()["DC0_C0_RP0_VM0"])
}
