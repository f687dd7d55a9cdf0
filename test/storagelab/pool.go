//go:build storagelab

package storagelab

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// A Pool is a ZFS pool of 2 GB on a disk of its own, for one test.
type Pool struct {
	Name string
	// On is its machine, as root.
	On *Machine
}

// NewPool makes a fresh pool. At the test's end it is destroyed, with targets, receivers and senders that use it.
func (m *Machine) NewPool() *Pool {
	m.lab.t.Helper()
	slot := m.takeSlot()
	prefix := fmt.Sprintf("t%d-", slot)
	m.Script(`for pool in $(zpool list -H -o name); do case $pool in "$1"*) release-pool "$pool" ;; esac; done`, prefix)
	p := &Pool{Name: prefix + uuid.NewString()[:8], On: m}
	m.Script(`tries=5
until zpool create -f -O compression=lz4 -O mountpoint=none "$1" "$2"; do # under load udev takes the names of partitions away when ZFS opens them
	tries=$((tries - 1)); [ $tries -gt 0 ] || exit 1; udevadm settle
done`, p.Name, fmt.Sprintf("/dev/disk/by-id/virtio-slot%d", slot))
	m.lab.t.Cleanup(func() { m.Run("release-pool", p.Name) })
	return p
}

// takeSlot waits for a disk that no other test uses.
func (m *Machine) takeSlot() int {
	m.lab.t.Helper()
	var taken int
	m.lab.Await("a disk of "+m.Name+" is free", func(context.Context) bool {
		for slot := 1; slot <= m.lab.slots; slot++ {
			lock := flock.New(filepath.Join(m.lab.run, fmt.Sprintf("%s.slot%d.lock", m.Name, slot)))
			ok, err := lock.TryLock()
			require.NoError(m.lab.t, err)
			if ok {
				m.lab.t.Cleanup(func() { _ = lock.Close() })
				taken = slot
				return true
			}
		}
		return false
	})
	return taken
}

// Dataset is the name of a dataset in the pool.
func (p *Pool) Dataset(name string) string { return p.Name + "/" + name }

// Volume makes a volume of so many MiB, thin, with options of `zfs create`, and returns its dataset. Its device is there when it returns.
func (p *Pool) Volume(name string, mib int, options ...string) string {
	p.On.lab.t.Helper()
	dataset := p.Dataset(name)
	p.On.Run(slices.Concat([]string{"zfs", "create", "-s", "-V", fmt.Sprintf("%dM", mib)}, options, []string{dataset})...)
	p.On.awaitDevice(Device(dataset))
	return dataset
}

// Device is the block device of a volume.
func Device(dataset string) string { return "/dev/zvol/" + dataset }

// Scribble writes so many MiB of random bytes to a block device or volume, from that MiB on.
func (m *Machine) Scribble(device string, from, mib int) {
	m.lab.t.Helper()
	m.Run("dd", "if=/dev/urandom", "of="+device, "bs=1M", fmt.Sprintf("seek=%d", from), fmt.Sprintf("count=%d", mib), "conv=notrunc,fsync", "status=none")
}

// Digest is the SHA-256 of all that a block device holds.
func (m *Machine) Digest(device string) string {
	m.lab.t.Helper()
	m.awaitDevice(device)
	sum, _, _ := strings.Cut(m.Run("sha256sum", device), " ")
	return sum
}

// awaitDevice waits for udev to make a device's name.
func (m *Machine) awaitDevice(device string) {
	m.lab.t.Helper()
	m.Script(`end=$(($(date +%s) + 120)); until [ -b "$1" ]; do [ "$(date +%s)" -lt "$end" ] || { echo "no device $1" >&2; exit 1; }; sleep 0.1; done`, device)
}
