package redfish

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// computerSystem is what is used of a ComputerSystem (DSP0268). Not gofish's type: one field of a wrong type would keep
// it from reading the power state, and vendors have such fields.
type computerSystem struct {
	ODataID      string `json:"@odata.id"`
	PowerState   string
	UUID         string
	SKU          string
	SerialNumber string
	Model        string
	Manufacturer string
	BootProgress json.RawMessage
	Oem          json.RawMessage
	Links        struct{ ManagedBy []link }
	Actions      struct {
		Reset struct {
			Target     string   `json:"target"`
			Allowed    []string `json:"ResetType@Redfish.AllowableValues"`
			ActionInfo string   `json:"@Redfish.ActionInfo"`
		} `json:"#ComputerSystem.Reset"`
	}
}

// System reads the system: power state (one of live.On, Off, PoweringOn, PoweringOff, Paused; empty where the service
// does not say), who it is, and which reset types it allows (none: the service does not say). Host is left to the caller.
//
// Serial is what vCenter calls the service tag: a Dell's is in SKU, while its SerialNumber is the mainboard's.
func (c *Client) System(ctx context.Context) (live.BMC, error) {
	s, err := c.readSystem(ctx)
	if err != nil {
		return live.BMC{}, err
	}
	bmc := live.BMC{
		Power:  oneLine(s.PowerState),
		UUID:   strings.ToLower(oneLine(s.UUID)),
		Serial: oneLine(s.SerialNumber),
		Model:  oneLine(s.Model),
		Boot:   s.bootState(),
	}
	if sku := oneLine(s.SKU); sku != "" && strings.Contains(strings.ToLower(s.Manufacturer), "dell") {
		bmc.Serial = sku
	}
	known, err := c.learn(ctx, s)
	bmc.ResetTypes, bmc.Firmware = known.allowed, oneLine(known.firmware)
	return bmc, err
}

// facts do not change while the controller runs: an old one takes half a minute to tell each of them.
type facts struct {
	target           string // of Reset; empty: the system was not read yet, or has none
	allowed          []string
	firmware         string
	resets, versions bool // were read
}

// learn reads what is not known yet, one after the other, and keeps each. Where the caller's time is over it answers
// what it has: the power state, which was read before, is worth more.
func (c *Client) learn(ctx context.Context, s computerSystem) (facts, error) {
	c.mu.Lock()
	f := c.facts
	c.mu.Unlock()
	f.target = link{s.Actions.Reset.Target}.path()
	err := func() (err error) {
		if !f.resets {
			if f.allowed, err = c.resetTypes(ctx, s); err != nil {
				return err
			}
			f.resets = true
		}
		if !f.versions {
			if f.firmware, err = c.firmware(ctx, s); err != nil {
				return err
			}
			f.versions = true
		}
		return nil
	}()
	c.mu.Lock()
	c.facts = f
	c.mu.Unlock()
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !errors.Is(err, fault.Auth) {
		return f, nil
	}
	return f, err
}

func (c *Client) readSystem(ctx context.Context) (computerSystem, error) {
	var s computerSystem
	path, err := c.systemPath(ctx)
	if err != nil {
		return s, err
	}
	err = c.get(ctx, path, &s)
	if status, _ := answer(err); status == http.StatusNotFound && c.named {
		return s, c.failf(fault.NotFound, "there is no system %s; there is: %s; correct `system:` in the lab file", path, c.listed(ctx))
	}
	if err != nil {
		return s, c.fail("reading "+path, err)
	}
	if s.ODataID == "" && s.PowerState == "" {
		return s, c.failf(fault.Unsupported, "%s is not a ComputerSystem; correct `system:` in the lab file", path)
	}
	return s, nil
}

// systemPath is the system that the lab file names, or the only one.
func (c *Client) systemPath(ctx context.Context) (string, error) {
	c.mu.Lock()
	known := c.system
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	members, err := c.members(ctx)
	if err != nil {
		return "", err
	}
	switch len(members) {
	case 0:
		return "", c.failf(fault.NotFound, "it lists no system: is the server in its chassis, and its user allowed to see it?")
	case 1:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.system = members[0]
		return members[0], nil
	default:
		return "", c.failf(fault.Invalid, "it has several systems: set `system:` in the lab file to one of %s", strings.Join(members, ", "))
	}
}

// Bounds of what a service may list: one that makes up pages would else be read without end.
const (
	mostPages   = 100
	mostSystems = 1000
	mostTypes   = 100
)

// members lists the paths of all systems, over all pages.
func (c *Client) members(ctx context.Context) ([]string, error) {
	next := c.root.Systems.path()
	if next == "" {
		return nil, c.failf(fault.Unsupported, "it has no Systems: it is no server's management controller")
	}
	var paths []string
	for seen := map[string]bool{}; next != "" && !seen[next]; {
		seen[next] = true
		var page struct {
			Members []link
			Next    string `json:"Members@odata.nextLink"`
		}
		if err := c.get(ctx, next, &page); err != nil {
			return nil, c.fail("reading "+next, err)
		}
		for _, m := range page.Members {
			paths = append(paths, m.path())
		}
		if len(seen) >= mostPages && page.Next != "" || len(paths) > mostSystems {
			return nil, c.failf(fault.Unsupported, "its list of systems has more than %d pages or %d systems: set `system:` in the lab file", mostPages, mostSystems)
		}
		next = link{page.Next}.path()
	}
	return paths, nil
}

// listed names the systems in an error text.
func (c *Client) listed(ctx context.Context) string {
	members, err := c.members(ctx)
	if err != nil || len(members) == 0 {
		return "nothing that could be listed"
	}
	return strings.Join(members, ", ")
}

// resetTypes are the allowed values, which newer services keep in a resource of their own (DSP0266, "Action info").
func (c *Client) resetTypes(ctx context.Context, s computerSystem) ([]string, error) {
	reset := s.Actions.Reset
	if len(reset.Allowed) > 0 || reset.ActionInfo == "" {
		return types(reset.Allowed), nil
	}
	var action struct {
		Parameters []struct {
			Name            string
			AllowableValues []string
		}
	}
	path := link{reset.ActionInfo}.path()
	err := c.get(ctx, path, &action)
	if status, _ := answer(err); status == http.StatusNotFound || broken(err) {
		return nil, nil // the link leads nowhere: it does not say
	}
	if err != nil {
		return nil, c.fail("reading "+path, err)
	}
	for _, p := range action.Parameters {
		if p.Name == "ResetType" {
			return types(p.AllowableValues), nil
		}
	}
	return nil, nil
}

// types are the first of a list: the standard knows some twenty.
func types(list []string) (out []string) {
	for _, t := range list[:min(len(list), mostTypes)] {
		out = append(out, oneLine(t))
	}
	return out
}

// firmware is the controller's own version. Not every service tells it, and nothing depends on it.
func (c *Client) firmware(ctx context.Context, s computerSystem) (string, error) {
	if len(s.Links.ManagedBy) == 0 {
		return "", nil
	}
	var manager struct{ FirmwareVersion string }
	path := s.Links.ManagedBy[0].path()
	err := c.get(ctx, path, &manager)
	if status, _ := answer(err); status == http.StatusUnauthorized || err != nil && ctx.Err() != nil {
		return "", c.fail("reading "+path, err)
	}
	return manager.FirmwareVersion, nil
}
