package main

import (
	"context"
	"net"
	"time"

	"nightshift/internal/labimport"
	"nightshift/internal/live"
	"nightshift/internal/smbios"
)

// thisMachine is what tells the machine that this runs on from others. What it does not know stays empty.
func thisMachine() labimport.Machine {
	m := labimport.Machine{UUID: smbios.UUID(smbios.File)}
	cards, err := net.Interfaces()
	if err != nil {
		return m
	}
	for _, c := range cards {
		if mac := c.HardwareAddr.String(); mac != "" {
			m.MACs = append(m.MACs, live.MAC(mac))
		}
		addresses, err := c.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok {
				m.Addresses = append(m.Addresses, n.IP.String())
			}
		}
	}
	return m
}

// lookUpTimeout is for one name.
const lookUpTimeout = 5 * time.Second

// lookUp asks for the addresses of names, side by side. A name that nobody knows has none.
func lookUp(ctx context.Context, names []string) map[string][]string {
	var asks []func() []string
	for _, n := range names {
		asks = append(asks, func() []string {
			ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
			defer cancel()
			list, err := net.DefaultResolver.LookupHost(ctx, n)
			if err != nil {
				return nil
			}
			return list
		})
	}
	out := map[string][]string{}
	for i, list := range allAtOnce(asks) {
		out[names[i]] = list
	}
	return out
}
