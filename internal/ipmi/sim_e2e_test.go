//go:build e2e

package ipmi

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestIPMISim holds the client against OpenIPMI's simulator, an implementation that has nothing in common with ours:
// `make e2e-ipmi`.
func TestIPMISim(t *testing.T) {
	program, err := exec.LookPath("ipmi_sim")
	if err != nil {
		t.Skip("there is no ipmi_sim (Debian: apt install openipmi)")
	}
	contract(t, func(t *testing.T) *controller { return simulate(t, program) })
}

// lan is ipmi_lan(5): the address, the users, and the program that switches the chassis.
const lan = `name "nightshift"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 %d
    priv_limit admin
    allowed_auths_callback md5
    allowed_auths_user md5
    allowed_auths_operator md5
    allowed_auths_admin md5
    guid 44454c4c370010358051b7c04f4d3332
  endlan
  chassis_control "%s 0x20"
  user 2 true "%s" "%s" operator 10
  user 3 true "looker" "%[4]s" user 10
`

// commands is ipmi_sim_cmd(5): the management controller and its FRU inventory.
const commands = `mc_setbmc 0x20
mc_add 0x20 0x20 no-device-sdrs 0x01 0x02 0x65 0x9f 0x0002a2 0x0100
mc_set_guid 0x20 44454c4c370010358051b7c04f4d3332
mc_add_fru_data 0x20 0 0x100 data %s
mc_enable 0x20
`

// chassisProgram writes down what it is told; the power state is a file.
const chassisProgram = `#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >>calls
shift
what=$1; shift
while [ $# -gt 0 ]; do
	case "$what $1" in
	"get power") echo "power:$(cat power)"; shift ;;
	"set power") echo "$2" >power; shift 2 ;;
	"get "*) echo "$1:0"; shift ;;
	*) shift 2 ;;
	esac
done
`

func simulate(t *testing.T, program string) *controller {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, mode os.FileMode, format string, args ...any) string {
		path := filepath.Join(dir, name)
		text := format
		if len(args) > 0 {
			text = fmt.Sprintf(format, args...)
		}
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "state"), 0o700))
	write("power", 0o600, "0\n")
	write("calls", 0o600, "")
	var fru []string
	for _, b := range inventoryOf("DELL", "PowerEdge R620", "7V54NY1") {
		fru = append(fru, fmt.Sprintf("0x%02x", b))
	}
	port := freePort(t)
	conf := write("lan.conf", 0o600, lan, port, write("chassis", 0o700, chassisProgram), user, password)
	sim := exec.Command(program, "-n", "-c", conf, "-f", write("commands", 0o600, commands, strings.Join(fru, " ")), "-s", filepath.Join(dir, "state"))
	sim.Dir = dir
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	sim.Stdout, sim.Stderr = log, log
	require.NoError(t, sim.Start())
	t.Cleanup(func() {
		_ = sim.Process.Kill()
		_ = sim.Wait()
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("ipmi_sim: %s", said)
		}
		_ = log.Close()
	})
	is := &controller{address: fmt.Sprintf("127.0.0.1:%d", port), uuid: "4c4c4544-0037-3510-8051-b7c04f4d3332", serial: "7V54NY1",
		model: "DELL PowerEdge R620", firmware: "2.65", anybodyOperates: true,
		controls: func() []string { return controlsIn(t, filepath.Join(dir, "calls")) }}
	require.Eventually(t, func() bool {
		c, err := connect(t.Context(), at(t, is.address), hasty())
		if err == nil {
			_ = c.Close(t.Context())
		}
		return err == nil
	}, time.Minute, 50*time.Millisecond, "ipmi_sim does not come up")
	return is
}

// controlsIn reads what the chassis program was told.
func controlsIn(t *testing.T, path string) []string {
	said, err := os.ReadFile(path)
	require.NoError(t, err)
	var out []string
	for line := range strings.Lines(string(said)) {
		switch rest := strings.TrimSpace(strings.TrimPrefix(line, "0x20 ")); {
		case strings.HasPrefix(rest, "set power 1"):
			out = append(out, "on")
		case strings.HasPrefix(rest, "set power 0"):
			out = append(out, "off")
		case strings.HasPrefix(rest, "set shutdown"):
			out = append(out, "soft")
		case strings.HasPrefix(rest, "set"):
			out = append(out, rest)
		}
	}
	return out
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.LocalAddr().(*net.UDPAddr).Port
}
