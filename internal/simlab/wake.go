package simlab

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// A sleeper is what a host without a BMC has: a network card that wakes it by a magic packet, and an address of its own
// that answers as long as ESXi runs, and is silent otherwise. Silence is what tells that it is off: a connection that is
// refused would be an answer.
type sleeper struct {
	host     *host
	system   string // "wol:HOST"
	card     net.PacketConn
	witness  string // host:port
	silent   bool   // guarded by Lab.mu, as doors is called under it
	listener *gate
}

// startSleeper lets a host sleep and wake. Calls of it are recorded as "Wake".
func (l *Lab) startSleeper(h *host) error {
	s := &sleeper{host: h, system: "wol:" + h.spec.Name}
	var err error
	if s.witness, err = l.listen(s.system, 0, nil, http.NotFoundHandler()); err != nil {
		return err
	}
	s.listener = l.gateOf(s.system)
	if err := silence(s.listener.Listener, false); err != nil {
		return fmt.Errorf("simulated lab %s: host %s cannot wake by a packet here: %w", l.spec.Name, h.spec.Name, err)
	}
	if s.card, err = (&net.ListenConfig{}).ListenPacket(l.ctx, "udp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("simulated lab %s: listen for magic packets: %w", l.spec.Name, err)
	}
	l.life.Lock()
	l.closes = append(l.closes, func() { _ = s.card.Close() }) // it ends what waits for packets
	l.life.Unlock()
	l.goRun(func() { l.hear(s) })
	l.mu.Lock()
	l.sleepers = append(l.sleepers, s)
	l.doors()
	l.mu.Unlock()
	return nil
}

// hear wakes the host by every magic packet that bears its address. To one that is on it does nothing.
func (l *Lab) hear(s *sleeper) {
	mac, err := net.ParseMAC(s.host.spec.MAC)
	if err != nil {
		return
	}
	magic := append(bytes.Repeat([]byte{0xFF}, 6), bytes.Repeat(mac, 16)...)
	buf := make([]byte, 1500)
	for {
		n, _, err := s.card.ReadFrom(buf)
		if err != nil {
			return
		}
		if !bytes.Contains(buf[:n], magic) {
			continue
		}
		l.rec.add(s.system, []call{{"Wake", s.host.spec.Name}})("ok", true)
		l.change(func(t *touched) {
			if s.host.power == off {
				l.bootHost(t, s.host)
			}
		})
	}
}

// wakers follow their hosts. The world is locked.
func (l *Lab) wakers() {
	for _, s := range l.sleepers {
		if quiet := !s.host.running; quiet != s.silent {
			s.silent = quiet
			_ = silence(s.listener.Listener, quiet) // it worked when the lab began; a listener that is closed is silent
		}
	}
}

// sleeperOf finds that of a host; nil: it has a BMC, or nothing.
func (l *Lab) sleeperOf(h *host) *sleeper {
	for _, s := range l.sleepers {
		if s.host == h {
			return s
		}
	}
	return nil
}

func (s *sleeper) write(w *yamlWriter) {
	w.line("    wakeOnLan:\n      mac: %q\n      broadcast: %q\n      witness: [%q]", s.host.spec.MAC, s.card.LocalAddr(), s.witness)
}

// addressed gives the host the network card by which it wakes.
func addressed(obj *simulator.HostSystem, mac string) {
	network := types.HostNetworkInfo{}
	if obj.Config.Network != nil {
		network = *obj.Config.Network
	}
	network.Pnic = []types.PhysicalNic{{Key: "key-vim.host.PhysicalNic-vmnic0", Device: "vmnic0", Driver: "igbn", Mac: mac, WakeOnLanSupported: true}}
	obj.Config.Network = &network
}

// macOf is a MAC address, locally administered, that is the same for the same seed, lab and name.
func macOf(seed int64, lab, host string) string {
	hex := strings.ReplaceAll(derived(seed, lab, "mac", host).String(), "-", "")
	return fmt.Sprintf("02:%s:%s:%s:%s:%s", hex[0:2], hex[2:4], hex[4:6], hex[6:8], hex[8:10])
}
