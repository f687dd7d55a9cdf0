// Package wol switches on a machine that has no management controller, by a magic packet (Wake-on-LAN), and asks
// witnesses whether it is on: addresses that answer as long as it is.
//
// A witness proves On. Off is never proven: all that can be seen is silence, for which there are other reasons. So
// [Machine.System] says Off only after a long silence of all witnesses, and whoever reads it must have another reason to
// believe it: see activities. The package does not know Temporal, plans or policies.
package wol

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

// Model is what live.BMC.Model says of such a machine.
const Model = "Wake-on-LAN"

// patience says how long the witnesses are asked, and how often the packet is sent.
type patience struct {
	silence time.Duration // of all witnesses, before it is taken for Off
	answer  time.Duration // of one witness
	pause   time.Duration // between two rounds
	packets int
	between time.Duration // two packets
}

// A Machine is one that is woken by a packet. It keeps no connection.
type Machine struct {
	name      string
	packet    []byte
	broadcast string
	witnesses []string
	patience  patience
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
}

// New makes a machine of what the lab file says of the host of that name. Errors are fault.Invalid.
func New(host string, w inventory.WakeOnLAN) (*Machine, error) {
	mac, err := net.ParseMAC(w.MAC)
	if err != nil || len(mac) != 6 {
		return nil, fault.As(fault.Invalid, fmt.Errorf("host %s: wakeOnLan: %q is no MAC address", host, w.MAC))
	}
	if len(w.Witness) == 0 {
		return nil, fault.As(fault.Invalid, fmt.Errorf("host %s: wakeOnLan has no witness: nobody could say whether it is on", host))
	}
	return &Machine{
		name: host, packet: magic(mac), broadcast: target(w.Broadcast), witnesses: w.Witness, dial: (&net.Dialer{}).DialContext,
		// The longest read has to fit into the time that a step gives to one (50 s).
		patience: patience{silence: 30 * time.Second, answer: 4 * time.Second, pause: 2 * time.Second, packets: 5, between: time.Second},
	}, nil
}

// magic is the packet: six times FF, and sixteen times the MAC address.
func magic(mac net.HardwareAddr) []byte {
	p := []byte(strings.Repeat("\xFF", 6))
	for range 16 {
		p = append(p, mac...)
	}
	return p
}

// target is where the packet goes: by default to everybody on the wire, on the port that is thrown away.
func target(broadcast string) string {
	if broadcast == "" {
		broadcast = "255.255.255.255"
	}
	if _, _, err := net.SplitHostPort(broadcast); err != nil {
		broadcast = net.JoinHostPort(strings.Trim(broadcast, "[]"), "9")
	}
	return broadcast
}

// System asks the witnesses: On as soon as one answers; a refused connection is an answer. Off when all were silent in
// several rounds over half a minute: so long it takes. An error is a fault.Unreachable: nobody answered, and a witness
// could not be asked (its name has no address, we have no network): that is no silence.
func (m *Machine) System(ctx context.Context) (live.BMC, error) {
	got := live.BMC{ResetTypes: []string{"On"}, Model: Model}
	for began, rounds := time.Now(), 0; ; {
		answered, err := m.round(ctx)
		rounds++
		switch {
		case answered:
			got.Power = live.On
			return got, nil
		case err != nil:
			return live.BMC{}, fault.As(fault.Unreachable, fmt.Errorf("host %s: no witness answers, and that is no sign: %w", m.name, err))
		case rounds >= 3 && time.Since(began) >= m.patience.silence:
			got.Power = live.Off
			return got, nil
		}
		if !pause(ctx, m.patience.pause) {
			return live.BMC{}, fault.As(fault.Unreachable, fmt.Errorf("host %s: its witnesses were not asked for long enough: %w", m.name, ctx.Err()))
		}
	}
}

// round asks every witness once, side by side. err is why one could not be asked.
func (m *Machine) round(ctx context.Context) (answered bool, err error) {
	asked, cancel := context.WithTimeout(ctx, m.patience.answer)
	defer cancel()
	answers, errs := make([]bool, len(m.witnesses)), make([]error, len(m.witnesses))
	var all sync.WaitGroup
	for i, address := range m.witnesses {
		all.Go(func() {
			if answers[i], errs[i] = m.ask(asked, address); answers[i] {
				cancel() // one is enough
			}
		})
	}
	all.Wait()
	for _, a := range answers {
		if a {
			return true, nil
		}
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return false, errors.Join(errs...)
}

// ask connects to a witness. false without an error is silence.
func (m *Machine) ask(ctx context.Context, address string) (answers bool, err error) {
	conn, err := m.dial(ctx, "tcp", address)
	var unknown *net.DNSError
	switch {
	case err == nil:
		_ = conn.Close()
		return true, nil
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
		return true, nil
	case errors.As(err, &unknown):
		return false, fmt.Errorf("witness %s: %w; an IP address needs no name server", address, unknown)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN): // nobody has the address on its wire
		return false, nil
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false, nil
	}
	return false, fmt.Errorf("witness %s: %w", address, err)
}

// pause waits; false: ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Reset sends the magic packet, some times over: a packet may get lost, and a card that is just going to sleep needs a
// moment. To send it to a machine that is on, or again, does nothing. All other reset types are fault.Unsupported: nothing
// but the machine itself can switch it off. An error is a fault.NotDone where nothing was sent.
func (m *Machine) Reset(ctx context.Context, resetType string) error {
	if resetType != "On" {
		return fault.As(fault.NotDone, fault.As(fault.Unsupported, fmt.Errorf("host %s has no BMC: Wake-on-LAN can only switch it on, not %s", m.name, resetType)))
	}
	for sent := range m.patience.packets {
		if sent > 0 && !pause(ctx, m.patience.between) {
			break // one was sent
		}
		if err := m.send(ctx); err != nil && sent == 0 {
			return fault.As(fault.NotDone, fault.As(fault.Unreachable, fmt.Errorf("wake host %s by a packet to %s: %w", m.name, m.broadcast, err)))
		}
	}
	return nil
}

func (m *Machine) send(ctx context.Context) error {
	conn, err := m.dial(ctx, "udp", m.broadcast) // Go allows broadcasts on every UDP socket
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(m.packet)
	return err
}

// Close does nothing: there is no session.
func (m *Machine) Close(context.Context) error { return nil }
