package activities

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

func (w *world) GuestTags(context.Context, string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.tags), w.tagErr
}

func (w *world) ClusterNote(context.Context, string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.note, nil
}

func (w *world) SetClusterNote(_ context.Context, _, value string) error {
	_, err := w.receive("SetClusterNote", "", func() { w.note = value })
	return err
}

func (w *world) Rescan(context.Context, string) error {
	_, err := w.receive("Rescan", "", func() {})
	return err
}

func (w *world) FindGuest(context.Context, string) (string, error) {
	return "", errors.New("a vCenter is not asked for this")
}

func (w *world) OwnHost(context.Context) (live.Host, error) {
	return live.Host{}, errors.New("a vCenter is not asked for this")
}

// A worldHost is the API of the world's host itself: it has Refs of its own, calls itself by another name, and knows
// neither clusters nor tags. What comes with a Ref of the vCenter is refused.
type worldHost struct {
	*world
	away func() bool // it does not answer
}

var errForeign = fault.As(fault.NotFound, errors.New("no such object on this host"))

func (h worldHost) own(ref, want string) error {
	switch {
	case h.away != nil && h.away():
		return fault.As(fault.Unreachable, errors.New("no answer from the host"))
	case ref != want:
		return errForeign
	}
	return nil
}

const (
	ownGuest = "7"
	ownHost  = "ha-host"
)

func (h worldHost) FindGuest(_ context.Context, uuid string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.own("", ""); err != nil {
		return "", err
	}
	if !strings.EqualFold(uuid, h.guest.UUID) || h.gone {
		return "", errForeign
	}
	return ownGuest, nil
}

func (h worldHost) OwnHost(context.Context) (live.Host, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	got := h.host
	got.Ref, got.Name, got.Cluster, got.Connection = ownHost, "localhost.localdomain", "", live.Connected
	return got, h.own("", "")
}

func (h worldHost) Guest(ctx context.Context, ref string) (live.Guest, error) {
	if err := h.own(ref, ownGuest); err != nil {
		return live.Guest{}, err
	}
	got, err := h.world.Guest(ctx, ref)
	got.Ref, got.Host = ownGuest, ownHost
	return got, err
}

func (h worldHost) Host(context.Context, string) (live.Host, error) {
	return live.Host{}, errors.New("a host is read by OwnHost")
}

func (h worldHost) GuestsOn(ctx context.Context, ref string) ([]live.Guest, error) {
	if err := h.own(ref, ownHost); err != nil {
		return nil, err
	}
	list, err := h.world.GuestsOn(ctx, ref)
	h.mu.Lock()
	defer h.mu.Unlock()
	return append(list, h.others...), err
}

func (h worldHost) Datastores(ctx context.Context, ref string) ([]live.Datastore, error) {
	if err := h.own(ref, ownHost); err != nil {
		return nil, err
	}
	list, err := h.world.Datastores(ctx, ref)
	for i := range list {
		list[i].Ref = "own-" + list[i].Ref
	}
	return list, err
}

func (h worldHost) Rescan(ctx context.Context, ref string) error {
	if err := h.own(ref, ownHost); err != nil {
		return err
	}
	return h.world.Rescan(ctx, ref)
}

func (h worldHost) ShutdownGuest(ctx context.Context, ref string) error {
	if err := h.own(ref, ownGuest); err != nil {
		return err
	}
	return h.world.ShutdownGuest(ctx, ref)
}

func (h worldHost) PowerOffGuest(ctx context.Context, ref string) (string, error) {
	if err := h.own(ref, ownGuest); err != nil {
		return "", err
	}
	return h.world.PowerOffGuest(ctx, ref)
}

func (h worldHost) SuspendGuest(ctx context.Context, ref string) (string, error) {
	if err := h.own(ref, ownGuest); err != nil {
		return "", err
	}
	return h.world.SuspendGuest(ctx, ref)
}

func (h worldHost) PowerOnGuest(ctx context.Context, ref string) (string, error) {
	if err := h.own(ref, ownGuest); err != nil {
		return "", err
	}
	return h.world.PowerOnGuest(ctx, ref)
}

func (h worldHost) EnterMaintenance(ctx context.Context, ref string, d time.Duration) (string, error) {
	if err := h.own(ref, ownHost); err != nil {
		return "", err
	}
	return h.world.EnterMaintenance(ctx, ref, d)
}

func (h worldHost) ExitMaintenance(ctx context.Context, ref string, d time.Duration) (string, error) {
	if err := h.own(ref, ownHost); err != nil {
		return "", err
	}
	return h.world.ExitMaintenance(ctx, ref, d)
}

func (h worldHost) ShutdownHost(ctx context.Context, ref string, force bool) (string, error) {
	if err := h.own(ref, ownHost); err != nil {
		return "", err
	}
	return h.world.ShutdownHost(ctx, ref, force)
}

func (h worldHost) TasksSince(ctx context.Context, ref string, since time.Time) ([]vsphere.TaskInfo, error) {
	if ref != ownHost && ref != ownGuest {
		return nil, errForeign
	}
	list, err := h.world.TasksSince(ctx, ref, since)
	return append([]vsphere.TaskInfo{{Ref: "boot-1", Name: "boot", Ended: time.Now()}}, list...), err
}

func (h worldHost) Inspect(ctx context.Context) (live.VCenter, error) {
	if err := h.own("", ""); err != nil {
		return live.VCenter{}, err
	}
	host, _ := h.OwnHost(ctx)
	guest, err := h.Guest(ctx, ownGuest)
	return live.VCenter{APIType: "HostAgent", Hosts: []live.Host{host}, Guests: append([]live.Guest{guest}, h.others...),
		Datastores: []live.Datastore{{Ref: "own-ds-1", Name: "tank"}, {Ref: "own-ds-2", Name: "local"}}}, err
}

// directActivities are wired to a world whose host has an API of its own, and whose vCenter is away.
func directActivities(w *world) *Activities {
	a := newActivities(w)
	a.lab.Hosts[0].ESXi = &inventory.Endpoint{URL: "https://esx21"}
	a.clients.dialVC = func(_ context.Context, r endpoint.Resolved) (vcenter, error) {
		if !strings.HasPrefix(r.Name, "host ") {
			return nil, fault.As(fault.Unreachable, errors.New("no answer from the vCenter"))
		}
		h := worldHost{world: w, away: w.away}
		if w.away != nil && w.away() {
			return nil, fault.As(fault.Unreachable, errors.New("no answer from the host"))
		}
		return h, nil
	}
	return a
}

// direct sends the call to the host itself.
func direct(c plan.Call) plan.Call {
	c.Target.Direct = "esx21"
	return c
}
