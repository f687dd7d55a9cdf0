package ipmi

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/handlers"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/transport/udp"
	"github.com/bougou/go-ipmi/pkg/types"
	"github.com/stretchr/testify/require"
)

// chassis writes down what it is told.
type chassis struct {
	hal.ChassisHAL
	mu       sync.Mutex
	on       bool
	controls []string
}

func (c *chassis) PowerState(context.Context) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.on, nil
}

func (c *chassis) SetPower(_ context.Context, on bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = on
	c.controls = append(c.controls, map[bool]string{true: "on", false: "off"}[on])
	return nil
}

// WarmReset is what this server calls a soft shutdown.
func (c *chassis) WarmReset(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.controls = append(c.controls, "soft")
	return nil
}

type hardware struct {
	*mock.HAL
	chassis *chassis
}

func (h hardware) Chassis() hal.ChassisHAL { return h.chassis }

// goServer starts go-ipmi's server with the cipher suites.
func goServer(t *testing.T, suites ...types.CipherSuiteID) *controller {
	t.Helper()
	hw := hardware{mock.New(), &chassis{ChassisHAL: mock.New().Chassis()}}
	require.NoError(t, hw.Storage().FRU().Write(t.Context(), mainboard, inventoryOf("DELL", "PowerEdge R620", "7V54NY1")))
	guid := [16]byte{0x44, 0x45, 0x4c, 0x4c, 0x37, 0x00, 0x10, 0x35, 0x80, 0x51, 0xb7, 0xc0, 0x4f, 0x4d, 0x33, 0x32} // as SMBIOS has it
	b := bmc.New(bmc.DeviceInfo{DeviceID: 0x20, FirmwareMajor: 2, FirmwareMinor: 0x65, IPMIVersion: 0x20}, guid, hw)
	for id, u := range map[uint8]struct {
		name  string
		level uint8
	}{2: {user, operator}, 3: {"looker", 2}} {
		added, err := b.Users.Add(id, u.name)
		require.NoError(t, err)
		added.SetPassword([]byte(password))
		added.Enabled = true
		added.ChannelAccess[1] = bmc.UserChannelAccess{MaxPrivilege: bmc.PrivilegeLevel(u.level), Enabled: true}
	}
	conn, err := udp.Listen("127.0.0.1:0")
	require.NoError(t, err)
	known := handlers.NewRegistry()
	handlers.RegisterAllHandlers(known)
	known.RegisterFunc(types.CommandGetDCMIPowerReading, func(_ context.Context, _ *handlers.HandlerContext, data []byte) ([]byte, types.CompletionCode, error) {
		if !slices.Equal(data, []byte{0xDC, 1, 0, 0}) {
			return nil, types.CodeRequestDataFieldInvalid, nil
		}
		return []byte{0xDC, 0xB6, 0, 1, 0, 0xFF, 0, 0x80, 0, 1, 2, 3, 4, 0xE8, 3, 0, 0, 0x40}, types.CodeOK, nil // 182 W, active
	})
	s := server.NewServer(b, conn, server.WithCipherSuites(suites), server.WithHandlerRegistry(known))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ctx)
	}()
	t.Cleanup(func() { cancel(); _ = s.Close(); <-done })
	return &controller{address: conn.LocalAddr().String(), uuid: "4c4c4544-0037-3510-8051-b7c04f4d3332", serial: "7V54NY1",
		model: "DELL PowerEdge R620", firmware: "2.65", suite17: slices.Contains(suites, types.CipherSuiteID17),
		controls: func() []string {
			hw.chassis.mu.Lock()
			defer hw.chassis.mu.Unlock()
			return slices.Clone(hw.chassis.controls)
		}}
}

func TestContract(t *testing.T) {
	contract(t, func(t *testing.T) *controller { return goServer(t, types.CipherSuiteID3, types.CipherSuiteID17) })
}

func TestContractWithAnOlderSuite(t *testing.T) {
	contract(t, func(t *testing.T) *controller { return goServer(t, types.CipherSuiteID3) })
}

// inventoryOf is a FRU inventory with a Product Info Area.
func inventoryOf(manufacturer, name, serial string) []byte {
	header := []byte{1, 0, 0, 0, 1, 0, 0}
	header = append(header, checksum(header))
	area := []byte{1, 0, 0}
	for _, s := range []string{manufacturer, name, "PART", "", serial} {
		area = append(append(area, 0xC0|byte(len(s))), s...)
	}
	area = append(area, 0xC1)
	for (len(area)+1)%8 != 0 {
		area = append(area, 0)
	}
	area[1] = byte((len(area) + 1) / 8)
	return append(header, append(area, checksum(area))...)
}
