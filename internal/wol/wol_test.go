package wol

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

const mac = "00:11:22:aa:bb:cc"

func machine(t *testing.T, w inventory.WakeOnLAN) *Machine {
	t.Helper()
	w.MAC = mac
	if w.Witness == nil {
		w.Witness = []string{"192.0.2.1:22", "192.0.2.2:443"}
	}
	m, err := New("nuc1", w)
	require.NoError(t, err)
	m.patience = patience{silence: 50 * time.Millisecond, answer: 10 * time.Second, pause: time.Millisecond, packets: 2, between: time.Millisecond}
	return m
}

func TestMagicPacket(t *testing.T) {
	wire, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer wire.Close()
	m := machine(t, inventory.WakeOnLAN{Broadcast: wire.LocalAddr().String()})
	require.NoError(t, m.Reset(t.Context(), "On"))
	buf := make([]byte, 200)
	n, _, err := wire.ReadFrom(buf)
	require.NoError(t, err)
	require.Equal(t, 102, n)
	require.Equal(t, "ffffffffffff"+strings.Repeat("001122aabbcc", 16), hex.EncodeToString(buf[:n]))
	_, _, err = wire.ReadFrom(buf) // a packet may get lost
	require.NoError(t, err)
}

func TestWhereThePacketGoes(t *testing.T) {
	for broadcast, want := range map[string]string{"": "255.255.255.255:9", "10.0.4.255": "10.0.4.255:9", "10.0.4.255:7": "10.0.4.255:7",
		"ff02::1%eth0": "[ff02::1%eth0]:9"} {
		require.Equal(t, want, target(broadcast))
	}
}

func TestThePacketGoesOutAsABroadcast(t *testing.T) {
	m := machine(t, inventory.WakeOnLAN{Broadcast: "127.255.255.255"})
	require.NoError(t, m.Reset(t.Context(), "On"), "the socket may send broadcasts")
}

func TestOnlyOn(t *testing.T) {
	m := machine(t, inventory.WakeOnLAN{})
	m.dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("sent") }
	for _, kind := range []string{"ForceOff", "GracefulShutdown", "ForceRestart"} {
		err := m.Reset(t.Context(), kind)
		require.ErrorIs(t, err, fault.Unsupported)
		require.ErrorIs(t, err, fault.NotDone)
	}
	err := m.Reset(t.Context(), "On")
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorIs(t, err, fault.NotDone)
}

func TestWitnesses(t *testing.T) {
	timeout := &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, c := range map[string]struct {
		answers [2]error // nil: it connects
		power   string
		says    string
	}{
		"both connect":             {[2]error{nil, nil}, live.On, ""},
		"one connects":             {[2]error{timeout, nil}, live.On, ""},
		"one refuses":              {[2]error{timeout, refused}, live.On, ""},
		"silent":                   {[2]error{timeout, timeout}, live.Off, ""},
		"nobody has the address":   {[2]error{syscall.EHOSTUNREACH, timeout}, live.Off, ""},
		"a name without address":   {[2]error{timeout, &net.DNSError{Name: "nuc1.lab", Err: "no such host", IsNotFound: true}}, "", "nuc1.lab"},
		"no name server":           {[2]error{&net.DNSError{Name: "nuc1.lab", Err: "i/o timeout", IsTimeout: true}, timeout}, "", "nuc1.lab"},
		"no name, but one answers": {[2]error{&net.DNSError{Name: "nuc1.lab", Err: "no such host"}, nil}, live.On, ""},
		"no network here":          {[2]error{syscall.ENETUNREACH, timeout}, "", "unreachable"},
		"something else":           {[2]error{errors.New("too many open files"), timeout}, "", "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			m := machine(t, inventory.WakeOnLAN{})
			m.dial = func(_ context.Context, _, address string) (net.Conn, error) {
				err := c.answers[0]
				if address == m.witnesses[1] {
					err = c.answers[1]
				}
				if err != nil {
					return nil, err
				}
				here, there := net.Pipe()
				_ = there.Close()
				return here, nil
			}
			got, err := m.System(t.Context())
			if c.power == "" {
				require.ErrorIs(t, err, fault.Unreachable)
				require.ErrorContains(t, err, c.says)
				require.Empty(t, got.Power)
				return
			}
			require.NoError(t, err)
			require.Equal(t, live.BMC{Power: c.power, ResetTypes: []string{"On"}, Model: Model}, got)
		})
	}
}

// A witness that is slow to come back is asked several times, for long enough.
func TestSilenceTakesItsTime(t *testing.T) {
	m := machine(t, inventory.WakeOnLAN{Witness: []string{"192.0.2.1:22"}})
	var asked atomic.Int32
	m.dial = func(context.Context, string, string) (net.Conn, error) {
		if asked.Add(1) < 3 {
			return nil, os.ErrDeadlineExceeded
		}
		return nil, syscall.ECONNREFUSED
	}
	m.patience.silence = 0
	got, err := m.System(t.Context())
	require.NoError(t, err)
	require.Equal(t, live.On, got.Power, "three rounds at least")

	asked.Store(-1 << 30)
	m.patience.silence = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = m.System(ctx)
	require.ErrorIs(t, err, fault.Unreachable, "not silent for long enough")
}

func TestARealListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := machine(t, inventory.WakeOnLAN{Witness: []string{l.Addr().String()}})
	for range 2 { // then it is closed: the machine refuses, and is on
		got, err := m.System(t.Context())
		require.NoError(t, err)
		require.Equal(t, live.On, got.Power)
		_ = l.Close()
	}
}

func TestBadLabFile(t *testing.T) {
	for _, w := range []inventory.WakeOnLAN{{MAC: "no", Witness: []string{"a:1"}}, {MAC: mac}, {MAC: "00:11:22:33:44:55:66:77", Witness: []string{"a:1"}}} {
		_, err := New("nuc1", w)
		require.ErrorIs(t, err, fault.Invalid)
	}
}
