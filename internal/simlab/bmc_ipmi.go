package simlab

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	ipmi "github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/handlers"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/transport"
	"github.com/bougou/go-ipmi/pkg/transport/udp"
	"github.com/bougou/go-ipmi/pkg/types"
)

// An ipmiBMC is a management controller that speaks IPMI 2.0 over LAN, as older boards do. Its calls are recorded as those
// of Redfish are ("Reset:On"). Faults cannot be injected into it, but it can be cut off ("bmc:HOST").
type ipmiBMC struct {
	user, password string
	address        string // host:port
	wire           *wire
}

// A wire loses every packet while it is cut.
type wire struct {
	transport.PacketConn
	cut atomic.Bool
}

// ReadFrom reads the next packet that gets through.
func (w *wire) ReadFrom(buf []byte) (int, net.Addr, error) {
	for {
		n, from, err := w.PacketConn.ReadFrom(buf)
		if err != nil || !w.cut.Load() {
			return n, from, err
		}
	}
}

// WriteTo sends a packet.
func (w *wire) WriteTo(data []byte, to net.Addr) (int, error) {
	if w.cut.Load() {
		return len(data), nil
	}
	return w.PacketConn.WriteTo(data, to)
}

// A chassis is the server behind an IPMI controller.
type chassis struct {
	hal.ChassisHAL
	lab    *Lab
	host   *host
	system string
}

type ipmiHardware struct {
	*mock.HAL
	chassis *chassis
}

func (h ipmiHardware) Chassis() hal.ChassisHAL { return h.chassis }

// PowerState knows On and Off only.
func (c *chassis) PowerState(context.Context) (isOn bool, _ error) {
	c.lab.read(func() { isOn = c.host.power != off })
	return isOn, nil
}

func (c *chassis) SetPower(_ context.Context, up bool) error {
	if up {
		return c.reset("On")
	}
	return c.reset("ForceOff")
}

// WarmReset is what the library calls the soft shutdown.
func (c *chassis) WarmReset(context.Context) error { return c.reset("GracefulShutdown") }

// reset answers yes to what is so already, as IPMI controllers do.
func (c *chassis) reset(reset string) error {
	done := c.lab.rec.add(c.system, []call{{"Reset:" + reset, c.host.spec.Name}})
	c.lab.change(func(t *touched) { _ = c.lab.resetHost(t, c.host, reset) })
	done("ok", false)
	return nil
}

// smbiosGUID is the UUID as SMBIOS has it in memory, and most controllers send it: the first three fields in reverse.
func smbiosGUID(uuid string) (guid [16]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil || len(b) != len(guid) {
		return guid, fmt.Errorf("%q is no UUID", uuid)
	}
	for _, field := range [][]byte{b[0:4], b[4:6], b[6:8]} {
		slices.Reverse(field)
	}
	return [16]byte(b), nil
}

// dcmiReading is the answer to Get Power Reading (DCMI 1.5, §6.6.1): now, least, most and average, when, over how long, active.
func dcmiReading(watts int) []byte {
	answer := []byte{types.GroupExtensionDCMI}
	for range 4 {
		answer = binary.LittleEndian.AppendUint16(answer, uint16(watts))
	}
	answer = binary.LittleEndian.AppendUint32(answer, uint32(time.Now().Unix()))
	answer = binary.LittleEndian.AppendUint32(answer, 1000)
	return append(answer, 1<<6)
}

// startIPMI gives a host an IPMI controller.
func (l *Lab) startIPMI(h *host, port int) error {
	guid, err := smbiosGUID(h.spec.UUID)
	if err != nil {
		return fmt.Errorf("simulated lab %s: host %s: %w", l.spec.Name, h.spec.Name, err)
	}
	// IPMI 2.0 knows passwords of at most 20 bytes.
	b := &ipmiBMC{user: l.spec.BMCUser, password: "sim-" + rand.Text()[:16]}
	board := mock.New() // what a run does not ask for
	hw := ipmiHardware{board, &chassis{ChassisHAL: board.Chassis(), lab: l, host: h, system: "bmc:" + h.spec.Name}}
	controller := ipmi.New(ipmi.DeviceInfo{DeviceID: 0x20, FirmwareMajor: 2, FirmwareMinor: 0x65, IPMIVersion: 0x20}, guid, hw)
	account, err := controller.Users.Add(2, b.user)
	if err != nil {
		return fmt.Errorf("simulated lab %s: IPMI user of host %s: %w", l.spec.Name, h.spec.Name, err)
	}
	account.SetPassword([]byte(b.password))
	account.Enabled = true
	account.ChannelAccess[1] = ipmi.UserChannelAccess{MaxPrivilege: ipmi.PrivilegeLevel(3), Enabled: true} // operator
	conn, err := udp.Listen(fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("simulated lab %s: listen for IPMI on port %d: %w", l.spec.Name, port, err)
	}
	b.address, b.wire = conn.LocalAddr().String(), &wire{PacketConn: conn}
	known := handlers.NewRegistry()
	handlers.RegisterAllHandlers(known)
	known.RegisterFunc(types.CommandGetDCMIPowerReading, func(context.Context, *handlers.HandlerContext, []byte) ([]byte, types.CompletionCode, error) {
		return dcmiReading(l.Watts(h.spec.Name)), types.CodeOK, nil
	})
	s := server.NewServer(controller, b.wire, server.WithHandlerRegistry(known), server.WithCipherSuites([]types.CipherSuiteID{types.CipherSuiteID3, types.CipherSuiteID17}))
	l.goRun(func() { _ = s.Serve(l.ctx) }) // it ends with the lab
	l.life.Lock()
	l.closes = append(l.closes, func() { _ = s.Close() })
	l.life.Unlock()
	l.ipmis[h.spec.Name] = b
	return nil
}

func (b *ipmiBMC) write(w *yamlWriter, secret string) {
	w.line("    bmc:\n      url: ipmi://%s\n      user: %s\n      password: file:%s", b.address, b.user, secret)
}
