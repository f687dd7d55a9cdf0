package activities

import (
	"context"
	"slices"
	"time"

	"nightshift/internal/vsphere"
)

// What step runbooks do in the world, which is the workshop of its vCenter.

func (w *world) HostOption(context.Context, string, string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.option, w.readErr
}

func (w *world) SetHostOption(_ context.Context, _, _, value string) error {
	_, err := w.receive("SetHostOption", "", func() { w.option = value })
	return err
}

func (w *world) RebootHost(context.Context, string) (string, error) {
	return w.receive("RebootHost", "HostSystem.reboot", func() { w.host.Booted = time.Now() })
}

func (w *world) Tracking(context.Context, string) (vsphere.Tracked, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return vsphere.Tracked{Enabled: w.tracked.Enabled, Snapshots: slices.Clone(w.tracked.Snapshots)}, w.readErr
}

func (w *world) SetTracking(_ context.Context, _ string, on bool) (string, error) {
	return w.receive("SetTracking", "VirtualMachine.reconfigure", func() { w.tracked.Enabled = on })
}

func (w *world) CreateSnapshot(_ context.Context, _, name, description string) (string, error) {
	return w.receive("CreateSnapshot", "VirtualMachine.createSnapshot", func() {
		w.tracked.Snapshots = append(w.tracked.Snapshots, vsphere.Snapshot{Ref: "snapshot-1", Name: name, Description: description})
	})
}

func (w *world) RemoveSnapshot(_ context.Context, ref string) (string, error) {
	return w.receive("RemoveSnapshot", "vm.Snapshot.remove", func() {
		w.tracked.Snapshots = slices.DeleteFunc(w.tracked.Snapshots, func(s vsphere.Snapshot) bool { return s.Ref == ref })
	})
}

func (w *world) StartProgram(context.Context, string, vsphere.GuestLogin, string, string, string) (int64, error) {
	_, err := w.receive("StartProgram", "", func() { w.programs++ })
	return w.programs, err
}

func (w *world) Program(context.Context, string, vsphere.GuestLogin, int64) (vsphere.Program, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return vsphere.Program{Ended: true}, w.readErr
}
