package main

import (
	"cmp"
	"context"

	"nightshift/internal/bmc"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/wol"
)

// The ways in which a host's power is controlled, as people call them.
const (
	byRedfish = "Redfish"
	byIPMI    = "IPMI 2.0 (cipher suite 17 or 3)"
	byWake    = "Wake-on-LAN"
)

// checkPower asks what controls the host's power.
func checkPower(ctx context.Context, lab *inventory.Lab, h inventory.Host) ([]checkRow, *live.BMC) {
	if h.BMC == nil {
		return checkWake(ctx, h)
	}
	return checkBMC(ctx, lab, h)
}

// checkBMC asks a management controller.
func checkBMC(ctx context.Context, lab *inventory.Lab, h inventory.Host) ([]checkRow, *live.BMC) {
	c := &checks{subject: "BMC of " + h.Name}
	r, ok := c.endpoint(ctx, h.BMC.Endpoint, lab.Dir)
	if !ok {
		return c.rows, nil
	}
	client, err := bmc.Connect(ctx, r, h.BMC)
	if err != nil {
		c.fail("login", err)
		return c.rows, nil
	}
	defer func() { _ = client.Close(ctx) }() // it was only read
	by := byRedfish
	if h.BMC.IPMI() {
		by = byIPMI
		c.ok("login", "as %s, an operator; both sides proved that they know the password", r.User)
	} else {
		c.ok("login", "%s", loginText(r, h.BMC.TLS))
	}
	s, err := client.System(ctx)
	if err != nil {
		c.fail("system", err)
		return c.rows, nil
	}
	s.Host = h.Name
	c.ok("system", "%s, serial %s, firmware %s, power %s", cmp.Or(s.Model, "model unknown"), cmp.Or(s.Serial, "unknown"), cmp.Or(s.Firmware, "unknown"), s.Power)
	pin := live.Pin{Serial: h.BMC.Serial, UUID: h.BMC.UUID}
	switch id, why := s.Identify(pin, ""); {
	case id == live.Contradicted:
		c.add(checkFail, "identity", "is this the address of another server? If it was replaced: nightshift lab trust --replace", "it %s", why)
	case pin.Recorded():
	case live.Genuine(s.Serial):
		c.add(checkWarn, "identity", "nightshift lab trust", "its serial number %s is not recorded", s.Serial)
	case live.GenuineUUID(s.UUID):
		c.add(checkWarn, "identity", "nightshift lab trust", "it tells no serial number, and its UUID %s is not recorded", s.UUID)
	}
	c.powerControl(by, s, lab.HostPolicy(&h))
	return c.rows, &s
}

// checkWake asks the witnesses of a host without a BMC. Nothing is sent to wake it. Silence takes half a minute.
func checkWake(ctx context.Context, h inventory.Host) ([]checkRow, *live.BMC) {
	c := &checks{subject: "host " + h.Name}
	m, err := wol.New(h.Name, *h.WakeOnLAN)
	if err != nil {
		c.fail("power control", err)
		return c.rows, nil
	}
	s, err := m.System(ctx)
	if err != nil {
		c.fail("witnesses", err)
		return c.rows, nil
	}
	s.Host = h.Name
	if s.Power == live.On {
		c.ok("witnesses", "one of %s answers: it is on", join(h.WakeOnLAN.Witness))
	} else {
		c.add(checkWarn, "witnesses", "if it is on, correct wakeOnLan.witness: a run would wait for it in vain", "none of %s answers: it is off, or they are wrong", join(h.WakeOnLAN.Witness))
	}
	c.ok("power control", "by %s, MAC %s: can only switch it on; off is what its witnesses and its vCenter have lost", byWake, h.WakeOnLAN.MAC)
	return c.rows, &s
}

// powerControl looks whether the BMC can do what the host's policy asks of it.
func (c *checks) powerControl(by string, s live.BMC, p inventory.HostPolicy) {
	const check = "power control"
	need := []string{"On"}
	if p.Via == "graceful" || p.NoRights == "graceful" {
		need = append(need, "GracefulShutdown")
	}
	if p.OnTimeout == "forceOff" {
		need = append(need, "ForceOff")
	}
	if len(s.ResetTypes) == 0 {
		c.add(checkWarn, check, "", "by %s: it does not say which resets it knows; needed: %s", by, join(need))
		return
	}
	for _, n := range need {
		if !contains(s.ResetTypes, n) {
			c.add(checkFail, check, "update its firmware, or change the host's shutdown policy", "by %s: it does not know %s, only %s", by, n, join(s.ResetTypes))
			return
		}
	}
	c.ok(check, "by %s: can %s; needed: %s", by, join(s.ResetTypes), join(need))
}

// macBelongs looks whether the card that is to be woken is one of the host's, as its vCenter knows them.
func (c *checks) macBelongs(h *inventory.Host, x live.Host) {
	switch mac := live.MAC(h.WakeOnLAN.MAC); {
	case len(x.MACs) == 0:
		c.add(checkWarn, "wakeOnLan", "compare it by hand", "the vCenter does not tell its network cards, so whose MAC address %s is, is not known", mac)
	case !contains(x.MACs, mac):
		c.add(checkFail, "wakeOnLan", "correct wakeOnLan.mac", "MAC address %s is none of its network cards (%s): another machine would wake", mac, join(x.MACs))
	default:
		c.ok("wakeOnLan", "MAC address %s is one of its network cards", mac)
	}
}
