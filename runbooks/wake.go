package runbooks

import (
	"slices"
	"strings"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// wakes tells whether the host has no BMC, and is woken by a packet: its Off is no more than silence.
func (h *host) wakes() bool { return h.lab != nil && h.lab.BMC == nil && h.lab.WakeOnLAN != nil }

// checkWake makes sure that the packet would wake this host and no other: the MAC address is one of its cards.
func (b *builder) checkWake(h *host) {
	if h.live == nil {
		return
	}
	switch mac := live.MAC(h.lab.WakeOnLAN.MAC); {
	case len(h.live.MACs) == 0:
		b.warn(h.subject(), "wakes by the MAC address "+mac+", and vCenter does not tell its network cards: nobody knows whether it is one of them", "compare it by hand")
	case !slices.Contains(h.live.MACs, mac):
		b.block(h.subject(), "the MAC address "+mac+" of its wakeOnLan: is none of its network cards: another machine would wake",
			"correct it: the host has "+strings.Join(slices.Sorted(slices.Values(h.live.MACs)), ", "))
	}
}

// tellSilent says on what grounds a host without a BMC is taken for off. Of one that an earlier run has emptied nobody doubts it.
func (b *builder) tellSilent(h *host) {
	if h.wakes() && !b.inOurMaintenance(h) {
		b.warn(h.subject(), "has no BMC, and is taken for off, as its witnesses are silent and vCenter does not see it: a broken network looks the same",
			"see that it is off before what it needs goes down")
	}
}

// powerOnTimeout is for the step that switches the host on. A BMC says On within minutes; a witness answers when ESXi is up.
func (b *builder) powerOnTimeout(h *host) plan.Duration {
	if h.wakes() {
		return b.settled(time.Duration(b.hostPolicy(h).Boot) + marginTask)
	}
	return b.settled(marginTask)
}
