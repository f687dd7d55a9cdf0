// Package contract holds what a pair of storage hosts must do, as tests: they run on the simulated ones and, with build tag
// storagelab, on real ones, so that the simulation cannot lie. Hosts are slow: volumes are small, and no test waits for a time.
package contract

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
	"nightshift/internal/replica"
	"nightshift/internal/zfs"
)

// A Host is one storage host under test, with a fresh pool of which the service account may do what replication needs. Its
// methods end the test where something goes wrong.
type Host interface {
	// Client runs as the service account.
	Client() *zfs.Client
	// Route is how the other host reaches this one.
	Route() zfs.Route
	Pool() string
	// Root runs a command as the administrator; it must succeed.
	Root(argv ...string) string
	// Try runs a command as root, or as the service account, however it ends.
	Try(root bool, argv ...string) Said
	// Pipe runs `send | receive` on this host as root.
	Pipe(send, receive []string) (from, to Said)
	// Volume makes one of so many MiB, thin; FileSystem makes one that is mounted. Write fills a part of what either holds with
	// random bytes: of a file system, in its one file.
	Volume(name string, mib int, options ...string) string
	FileSystem(name string, options ...string) string
	Write(dataset string, fromMiB, mib int)
	// Digest is that of what a snapshot holds; its key is loaded.
	Digest(snapshot string) string
	// Kill kills what runs `zfs send` or `zfs receive` on this host with this pool.
	Kill(verb string)
}

// Said is what a command printed, and its exit status.
type Said struct {
	Out, Err string
	Status   int
}

// A Pair is two of them.
type Pair struct {
	Source, Target Host
	// Cut takes the network between them away, Restore gives it back. They are nil where a test may not do that.
	Cut, Restore func()
	// Replaced makes the source know another host key for the target, Revoked makes the target take the source's key no more. What
	// they answer puts it right again. They are nil where a test may not do that.
	Replaced, Revoked func() (undo func())
}

// A way is how streams go.
type way string

const (
	direct way = "direct"
	relay  way = "through the worker"
)

// replication is one volume that is replicated.
type replication struct {
	t    *testing.T
	p    Pair
	from string // dataset on the source
	to   string // on the target
	send zfs.Send
}

func newReplication(t *testing.T, p Pair, name string, mib int, options ...string) replication {
	t.Helper()
	return replicationOf(t, p, p.Source.Volume(name, mib, options...))
}

// replicationOf is that of a dataset of the source, by the options that a group has unless it says otherwise.
func replicationOf(t *testing.T, p Pair, from string) replication {
	return replication{t, p, from, p.Target.Pool() + strings.TrimPrefix(from, p.Source.Pool()), zfs.Send{Compressed: true, LargeBlocks: true}}
}

// point takes a snapshot of a moment that differs by n, and answers its name behind the @.
func (r replication) point(n int) string {
	r.t.Helper()
	name, err := replica.PointName("mail", time.Date(2026, 11, 21, n, 0, 0, 0, time.UTC))
	require.NoError(r.t, err)
	require.NoError(r.t, r.p.Source.Client().Snapshot(r.t.Context(), nil, r.from+"@"+name))
	return name
}

// transfer is that of a snapshot from a base.
func (r replication) transfer(name string, base replica.Base) zfs.Transfer {
	send := r.send
	send.Snapshot, send.From = r.from+"@"+name, base.From
	return zfs.Transfer{Send: send, Receive: zfs.Receive{Dataset: r.to, Set: zfs.ReplicaProps(r.source().Volume)}}
}

func (r replication) start(w way, tr zfs.Transfer) (zfs.Progress, error) {
	r.t.Helper()
	source, target := r.p.Source.Client(), r.p.Target.Client()
	if w == relay {
		return source.Relay(r.t.Context(), target, tr)
	}
	return source.Direct(r.t.Context(), target, r.p.Target.Route(), tr)
}

// source and target read both sides; the target is nil where it is not there.
func (r replication) source() *live.ZDataset { return read(r.t, r.p.Source, r.from) }
func (r replication) target() *live.ZDataset { return read(r.t, r.p.Target, r.to) }

func read(t *testing.T, h Host, dataset string) *live.ZDataset {
	t.Helper()
	found, err := h.Client().List(t.Context(), true, h.Pool())
	require.NoError(t, err)
	host := live.StorageHost{Datasets: found}
	return host.Dataset(dataset)
}

// base chooses what a snapshot is sent from.
func (r replication) base(name string) (replica.Base, error) {
	r.t.Helper()
	return replica.ChooseBase(r.source(), name, r.target(), replica.Stream{Raw: r.send.Raw, LargeBlocks: r.send.LargeBlocks})
}

// replicate sends a snapshot, which must work, and compares both sides.
func (r replication) replicate(w way, name string) replica.Base {
	r.t.Helper()
	base, err := r.base(name)
	require.NoError(r.t, err)
	_, err = r.start(w, r.transfer(name, base))
	require.NoError(r.t, err)
	r.verify(name)
	return base
}

// increment replicates a first point, and answers a second one, of 24 MiB more, which is not sent yet, and what it is to be sent from.
func (r replication) increment() (first, second string, base replica.Base) {
	r.t.Helper()
	first = r.point(1)
	r.replicate(direct, first)
	r.p.Source.Write(r.from, 0, 24)
	second = r.point(2)
	base, err := r.base(second)
	require.NoError(r.t, err)
	return first, second, base
}

// verify compares GUID and content of a snapshot, and that the replica is one.
func (r replication) verify(name string) {
	r.t.Helper()
	ctx := r.t.Context()
	here, err := r.p.Source.Client().GUIDs(ctx, r.from+"@"+name)
	require.NoError(r.t, err)
	there, err := r.p.Target.Client().GUIDs(ctx, r.to+"@"+name)
	require.NoError(r.t, err)
	require.NotZero(r.t, here[r.from+"@"+name])
	require.Equal(r.t, here[r.from+"@"+name], there[r.to+"@"+name])
	require.Equal(r.t, digest(r.t, r.p.Source, r.from, name), digest(r.t, r.p.Target, r.to, name))
	d := r.target()
	require.True(r.t, d.ReadOnly)
	if d.Volume {
		require.Equal(r.t, "none", d.VolMode)
	}
	require.Empty(r.t, d.ResumeToken)
	require.Zero(r.t, d.Written, "nobody writes to a replica")
}

// digest is that of a snapshot; a key that is not loaded is so for the moment only.
func digest(t *testing.T, h Host, dataset, snapshot string) string {
	t.Helper()
	if read(t, h, dataset).KeyStatus == "unavailable" {
		h.Root("zfs", "load-key", "-L", keyFile, dataset)
		defer h.Root("zfs", "unload-key", dataset)
	}
	return h.Digest(dataset + "@" + snapshot)
}

// resume goes on with what was broken off, as a run does: old receivers ended, the token judged on the source.
func (r replication) resume(w way, name string) zfs.Estimate {
	r.t.Helper()
	ctx := r.t.Context()
	_, err := r.p.Target.Client().EndReceivers(ctx, r.to)
	require.NoError(r.t, err)
	_, err = r.base(name)
	no := new(replica.NoBase)
	require.ErrorAs(r.t, err, &no)
	require.Equal(r.t, replica.Partial, no.Why)
	e, err := r.p.Source.Client().Estimate(ctx, zfs.Send{Token: no.Token})
	require.NoError(r.t, err)
	require.Equal(r.t, r.from+"@"+name, e.Snapshot)
	require.Positive(r.t, e.AlreadyArrived)
	_, err = r.start(w, zfs.Transfer{Send: zfs.Send{Token: no.Token}, Receive: zfs.Receive{Dataset: r.to, Set: zfs.ReplicaProps(r.source().Volume)}})
	require.NoError(r.t, err)
	r.verify(name)
	return e
}

// breakOff starts a transfer slow enough to be disturbed, does so once some of it was sent, and answers its error.
func (r replication) breakOff(w way, tr zfs.Transfer, disturb func()) error {
	r.t.Helper()
	tr.Limit = 1 << 20 // on a slow machine a sync takes seconds, in which not all may be sent
	moving := make(chan struct{}, 1)
	tr.Report = func(p zfs.Progress) {
		if p.Sent > 3<<20 {
			select {
			case moving <- struct{}{}:
			default:
			}
		}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := r.start(w, tr)
		ended <- err
	}()
	select {
	case <-moving:
		pool, _, _ := strings.Cut(r.to, "/")
		r.p.Target.Root("zpool", "sync", pool) // else nothing that has arrived may be on disk for 5 seconds, and nothing would be left of it
		disturb()
		return <-ended
	case err := <-ended:
		return fmt.Errorf("it ended before it could be disturbed: %w", errors.Join(err, errTooFast))
	}
}

var errTooFast = errors.New("too fast")
