package contract_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/inventory"
	"nightshift/internal/simlab/storage"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
	"nightshift/test/contract"
)

func TestSimulatedReading(t *testing.T)    { t.Parallel(); contract.Reading(t, pair(t)) }
func TestSimulatedRefusals(t *testing.T)   { t.Parallel(); contract.Refusals(t, pair(t)) }
func TestSimulatedDestroying(t *testing.T) { t.Parallel(); contract.Destroying(t, pair(t)) }
func TestSimulatedWords(t *testing.T)      { t.Parallel(); contract.Words(t, pair(t)) }
func TestSimulatedCycles(t *testing.T)     { t.Parallel(); contract.Cycles(t, pair(t)) }
func TestSimulatedBroken(t *testing.T)     { t.Parallel(); contract.Broken(t, pair(t)) }
func TestSimulatedWaits(t *testing.T) {
	t.Parallel()
	contract.Broken(t, pairOf(t, storage.Config{Waits: true}))
}
func TestSimulatedTokens(t *testing.T)   { t.Parallel(); contract.Tokens(t, pair(t)) }
func TestSimulatedSpace(t *testing.T)    { t.Parallel(); contract.Space(t, pair(t)) }
func TestSimulatedReserved(t *testing.T) { t.Parallel(); contract.Reserved(t, pair(t)) }
func TestSimulatedDiverged(t *testing.T) { t.Parallel(); contract.Diverged(t, pair(t)) }
func TestSimulatedCut(t *testing.T)      { t.Parallel(); contract.Cut(t, pair(t)) }
func TestSimulatedKeys(t *testing.T)     { t.Parallel(); contract.Keys(t, pair(t)) }
func TestSimulatedRights(t *testing.T)   { t.Parallel(); contract.Rights(t, pair(t)) }
func TestSimulatedNames(t *testing.T)    { t.Parallel(); contract.Names(t, pair(t)) }
func TestSimulatedRaw(t *testing.T)      { t.Parallel(); contract.Raw(t, pair(t)) }
func TestSimulatedMixed(t *testing.T)    { t.Parallel(); contract.Mixed(t, pair(t)) }
func TestSimulatedBlocks(t *testing.T)   { t.Parallel(); contract.Blocks(t, pair(t)) }
func TestSimulatedFiles(t *testing.T)    { t.Parallel(); contract.Files(t, pair(t)) }
func TestSimulatedClones(t *testing.T)   { t.Parallel(); contract.Clones(t, pair(t)) }
func TestSimulatedAway(t *testing.T)     { t.Parallel(); contract.Away(t, pair(t)) }
func TestSimulatedPruned(t *testing.T)   { t.Parallel(); contract.Pruned(t, pair(t)) }

// speed is that of the hosts: twice as fast as real ones, so that there is time to disturb them.
const speed = 2

// pair are two simulated hosts, each with a pool that zfsadm may use, reached over SSH.
func pair(t *testing.T) contract.Pair {
	t.Helper()
	return pairOf(t, storage.Config{})
}

func pairOf(t *testing.T, cfg storage.Config) contract.Pair {
	t.Helper()
	network := storage.NewNetwork()
	t.Cleanup(network.Close)
	source, target := newHost(t, "ss1", cfg), newHost(t, "ss2", cfg)
	join := func() { require.NoError(t, storage.Join(network, source.Host, target.Host)) }
	join()
	require.NoError(t, storage.Join(network, target.Host, source.Host))
	return contract.Pair{Source: source, Target: target, Cut: network.Cut, Restore: network.Restore,
		Replaced: func() func() {
			other, _, err := storage.NewKey()
			require.NoError(t, err)
			source.Know(target.Host, other.PublicKey())
			return join
		},
		Revoked: func() func() {
			target.Distrust(source.Own())
			return join
		}}
}

type host struct {
	*storage.Host
	t      *testing.T
	pool   string
	shared *sshexec.Shared
	client *zfs.Client
}

func newHost(t *testing.T, name string, cfg storage.Config) *host {
	t.Helper()
	cfg.Name, cfg.Speed, cfg.Seed = name, speed, int64(len(t.Name()))+int64(name[2])
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	h := &host{storage.New(ctx, cfg), t, name + "-pool", nil, nil}
	t.Cleanup(stop)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, h.Serve(ln, nil))
	h.AddPool(h.pool, 2<<30)
	for _, p := range []string{"send,snapshot,hold,release,bookmark,destroy,mount,userprop,receive,create,rollback,clone,promote,rename",
		"volsize,volblocksize,volmode,snapdev,readonly,compression,recordsize,refreservation,reservation,quota,refquota,canmount,mountpoint"} {
		h.Root("zfs", "allow", "-u", "zfsadm", p, h.pool)
	}
	key, private, err := storage.NewKey()
	require.NoError(t, err)
	h.Trust("zfsadm", key.PublicKey())
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	shared := sshexec.NewShared(func(ctx context.Context) (*sshexec.Client, error) {
		r, err := sshexec.Resolve(ctx, name, inventory.SSH{Address: h.Address(), User: "zfsadm", Key: file, HostKey: h.HostKey()}, t.TempDir())
		if err != nil {
			return nil, err
		}
		return sshexec.Dial(ctx, r)
	})
	t.Cleanup(shared.Close)
	h.shared, h.client = shared, zfs.New(name, zfs.OverSSH(shared))
	return h
}

func (h *host) Client() *zfs.Client { return h.client }
func (h *host) Pool() string        { return h.pool }

func (h *host) Route() zfs.Route {
	address, port, err := net.SplitHostPort(h.Address())
	require.NoError(h.t, err)
	n, err := strconv.Atoi(port)
	require.NoError(h.t, err)
	return zfs.Route{Address: address, Port: n, User: "zfsadm"}
}

func (h *host) Root(argv ...string) string {
	h.t.Helper()
	var out, errs bytes.Buffer
	exit := h.Run(h.t.Context(), "root", argv, storage.Streams{Out: &out, Err: &errs})
	require.Equal(h.t, "ok", exit.String(), "%s: %s%s", strings.Join(argv, " "), out.String(), errs.String())
	return strings.TrimSpace(out.String())
}

func (h *host) Try(root bool, argv ...string) contract.Said {
	h.t.Helper()
	user := "root"
	if !root {
		user = h.Account()
	}
	var out, errs bytes.Buffer
	exit := h.Run(h.t.Context(), user, argv, storage.Streams{Out: &out, Err: &errs})
	return contract.Said{Out: out.String(), Err: errs.String(), Status: exit.Shell()}
}

func (h *host) Pipe(send, receive []string) (from, to contract.Said) {
	h.t.Helper()
	r, w := storage.Pipe()
	done := make(chan contract.Said, 1)
	go func() {
		var errs bytes.Buffer
		exit := h.Run(h.t.Context(), "root", send, storage.Streams{Out: w, Err: &errs})
		_ = w.Close()
		done <- contract.Said{Err: errs.String(), Status: exit.Shell()}
	}()
	var out, errs bytes.Buffer
	exit := h.Run(h.t.Context(), "root", receive, storage.Streams{In: r, Out: &out, Err: &errs})
	_ = r.Close()
	return <-done, contract.Said{Out: out.String(), Err: errs.String(), Status: exit.Shell()}
}

func (h *host) Volume(name string, mib int, options ...string) string {
	h.t.Helper()
	h.Root(slices.Concat([]string{"zfs", "create", "-s", "-V", fmt.Sprintf("%dM", mib)}, options, []string{h.pool + "/" + name})...)
	return h.pool + "/" + name
}

func (h *host) FileSystem(name string, options ...string) string {
	h.t.Helper()
	h.Root(slices.Concat([]string{"zfs", "create", "-o", "mountpoint=/" + h.pool + "/" + name}, options, []string{h.pool + "/" + name})...)
	return h.pool + "/" + name
}

func (h *host) Write(volume string, from, mib int) {
	h.t.Helper()
	require.NoError(h.t, h.Host.Write(volume, int64(from)<<20, int64(mib)<<20))
}

func (h *host) Digest(snapshot string) string {
	h.t.Helper()
	sum, err := h.Host.Digest(snapshot)
	require.NoError(h.t, err)
	return sum
}

func (h *host) Kill(verb string) {
	h.t.Helper()
	require.NoError(h.t, h.Host.Kill(h.t.Context(), verb, h.pool))
}
