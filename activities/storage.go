package activities

import (
	"context"
	"sync"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
)

// storageHosts are the connections to storage hosts, by their names in the lab file: one for each, which all steps share. The
// zero value is ready.
type storageHosts struct {
	mu     sync.Mutex
	shared map[string]*sshexec.Shared
	runner func(host string) zfs.Runner   // of tests; nil: over SSH
	target func(host string) iscsi.Runner // the same, for what is not ZFS's
}

// zfsOf is the ZFS of a storage host, as its service account. It connects with its first command.
func (a *Activities) zfsOf(name string) (*zfs.Client, error) {
	h, ok := a.lab.StorageHost(name)
	if !ok {
		return nil, refuse(fault.Invalid, "storage host %q is not in the lab file", name)
	}
	if a.storage.runner != nil {
		return zfs.New(name, a.storage.runner(name)), nil
	}
	return zfs.New(name, zfs.OverSSH(a.storage.of(a, h))), nil
}

func (s *storageHosts) of(a *Activities, h *inventory.StorageHost) *sshexec.Shared {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shared == nil {
		s.shared = map[string]*sshexec.Shared{}
	}
	if s.shared[h.Name] == nil {
		s.shared[h.Name] = a.lineTo(h)
	}
	return s.shared[h.Name]
}

// lineTo is a connection to a storage host.
func (a *Activities) lineTo(h *inventory.StorageHost) *sshexec.Shared {
	return sshexec.NewShared(func(ctx context.Context) (*sshexec.Client, error) {
		return a.dialSSH(ctx, "storage host "+h.Name+" at "+h.SSH.Address, h.SSH)
	})
}

// zfsForStream is zfsOf for a stream, which may run for hours: where much runs already, as many groups are replicated at a time, it has a
// connection of its own. The caller calls done.
func (a *Activities) zfsForStream(name string) (c *zfs.Client, done func(), err error) {
	h, ok := a.lab.StorageHost(name)
	if !ok || a.storage.runner != nil || !a.storage.of(a, h).Crowded() {
		c, err = a.zfsOf(name)
		return c, func() {}, err
	}
	own := a.lineTo(h)
	return zfs.New(name, zfs.OverSSH(own)), own.Close, nil
}

// close hangs up everywhere.
func (s *storageHosts) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.shared {
		c.Close()
	}
	s.shared = nil
}
