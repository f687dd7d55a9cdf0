//go:build storagelab

package storagelab_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
	"nightshift/test/contract"
	"nightshift/test/storagelab"
)

func TestZFSReading(t *testing.T)    { contract.Reading(t, pair(t, storagelab.Connect(t))) }
func TestZFSRefusals(t *testing.T)   { contract.Refusals(t, pair(t, storagelab.Connect(t))) }
func TestZFSDestroying(t *testing.T) { contract.Destroying(t, pair(t, storagelab.Connect(t))) }
func TestZFSWords(t *testing.T)      { long(t); contract.Words(t, pair(t, storagelab.Connect(t))) }
func TestZFSCycles(t *testing.T)     { long(t); contract.Cycles(t, pair(t, storagelab.Connect(t))) }
func TestZFSBroken(t *testing.T)     { long(t); contract.Broken(t, pair(t, storagelab.Connect(t))) }
func TestZFSTokens(t *testing.T)     { long(t); contract.Tokens(t, pair(t, storagelab.Connect(t))) }
func TestZFSSpace(t *testing.T)      { long(t); contract.Space(t, pair(t, storagelab.Connect(t))) }
func TestZFSReserved(t *testing.T)   { long(t); contract.Reserved(t, pair(t, storagelab.Connect(t))) }
func TestZFSDiverged(t *testing.T)   { long(t); contract.Diverged(t, pair(t, storagelab.Connect(t))) }
func TestZFSCut(t *testing.T)        { long(t); contract.Cut(t, pair(t, storagelab.ConnectAlone(t))) }
func TestZFSRights(t *testing.T)     { long(t); contract.Rights(t, pair(t, storagelab.Connect(t))) }
func TestZFSNames(t *testing.T)      { long(t); contract.Names(t, pair(t, storagelab.Connect(t))) }
func TestZFSRaw(t *testing.T)        { long(t); contract.Raw(t, pair(t, storagelab.Connect(t))) }
func TestZFSMixed(t *testing.T)      { long(t); contract.Mixed(t, pair(t, storagelab.Connect(t))) }
func TestZFSFiles(t *testing.T)      { long(t); contract.Files(t, pair(t, storagelab.Connect(t))) }
func TestZFSClones(t *testing.T)     { long(t); contract.Clones(t, pair(t, storagelab.Connect(t))) }
func TestZFSAway(t *testing.T)       { long(t); contract.Away(t, pair(t, storagelab.Connect(t))) }
func TestZFSPruned(t *testing.T)     { long(t); contract.Pruned(t, pair(t, storagelab.Connect(t))) }
func TestZFSBlocks(t *testing.T)     { long(t); contract.Blocks(t, pair(t, storagelab.Connect(t))) }

// zfsadm is the account of all tests.
func TestZFSKeys(t *testing.T) { long(t); contract.Keys(t, pair(t, storagelab.ConnectAlone(t))) }

// pair are ss1 and ss2, each with a fresh pool that zfsadm may use.
func pair(t *testing.T, lab *storagelab.Lab) contract.Pair {
	t.Helper()
	source, target := newHost(t, lab, lab.SS1), newHost(t, lab, lab.SS2)
	lab.Prepare(source.pool, target.pool)
	return contract.Pair{Source: source, Target: target, Cut: lab.Cut, Restore: lab.Restore,
		Replaced: func() func() { return anotherKey(t, lab.SS1, "/home/zfsadm", lab.SS2) },
		Revoked:  func() func() { return lab.SS2.Edit("/home/zfsadm/.ssh/authorized_keys", "/ ss1-zfsadm@storage-lab$/d") }}
}

// anotherKey makes an account on a machine know another host key for the other one.
func anotherKey(t *testing.T, m *storagelab.Machine, home string, other *storagelab.Machine) (undo func()) {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	key, err := ssh.NewPublicKey(public)
	require.NoError(t, err)
	address := strings.ReplaceAll(other.Private, ".", "[.]")
	return m.Edit(home+"/.ssh/known_hosts", "/^"+address+"[, ]/s|ssh-ed25519 .*|"+sshexec.HostKeyLine(key)+"|")
}

// A host is one machine of the lab.
type host struct {
	t      testing.TB
	m      *storagelab.Machine
	pool   *storagelab.Pool
	client *zfs.Client
}

func newHost(t testing.TB, lab *storagelab.Lab, m *storagelab.Machine) host {
	t.Helper()
	pool := m.NewPool()
	return host{t, m, pool, zfs.New(m.Name, zfs.OverSSH(service(t, lab, m)))}
}

func (h host) Client() *zfs.Client { return h.client }
func (h host) Pool() string        { return h.pool.Name }

func (h host) Route() zfs.Route {
	return zfs.Route{Address: h.m.Private, Port: 22, User: "zfsadm"}
}

func (h host) Root(argv ...string) string {
	h.t.Helper()
	return h.m.Run(argv...)
}

func (h host) Try(root bool, argv ...string) contract.Said {
	h.t.Helper()
	m := h.m
	if !root {
		m = m.As("zfsadm")
	}
	r := m.Try(append([]string{"env", "LC_ALL=C", "PATH=" + zfs.Path}, argv...)...)
	return contract.Said{Out: r.Stdout, Err: r.Stderr, Status: r.Status}
}

// Pipe keeps apart what both say by files.
func (h host) Pipe(send, receive []string) (from, to contract.Said) {
	h.t.Helper()
	argv := append([]string{"bash", "-c", `
dir=$(mktemp -d) n=$1
shift
"${@:1:n}" 2>"$dir/send" | "${@:n+1}" >"$dir/out" 2>"$dir/receive"
echo "${PIPESTATUS[@]}"
for f in send out receive; do base64 -w 0 "$dir/$f"; echo; done
rm -r "$dir"`, "bash", strconv.Itoa(len(send))}, append(send, receive...)...)
	lines := strings.Split(h.m.Run(argv...)+"\n\n\n", "\n")
	text := func(line string) string {
		b, err := base64.StdEncoding.DecodeString(line)
		require.NoError(h.t, err)
		return string(b)
	}
	_, err := fmt.Sscan(lines[0], &from.Status, &to.Status)
	require.NoError(h.t, err)
	from.Err, to.Out, to.Err = text(lines[1]), text(lines[2]), text(lines[3])
	return from, to
}

func (h host) Volume(name string, mib int, options ...string) string {
	h.t.Helper()
	return h.pool.Volume(name, mib, options...)
}

func (h host) FileSystem(name string, options ...string) string {
	h.t.Helper()
	dataset := h.pool.Dataset(name)
	h.m.Run(slices.Concat([]string{"zfs", "create", "-o", "mountpoint=/run/" + dataset}, options, []string{dataset})...)
	return dataset
}

func (h host) Write(dataset string, from, mib int) {
	h.t.Helper()
	to := storagelab.Device(dataset)
	if h.files(dataset) {
		to = "/run/" + dataset + "/file"
	}
	h.m.Script(`tries=100
until dd if=/dev/urandom of="$1" bs=1M seek="$2" count="$3" conv=notrunc,fsync status=none; do # under load, ZFS's open may say error 512
	tries=$((tries - 1)); [ $tries -gt 0 ] || exit 1; sleep 0.2
done`, to, strconv.Itoa(from), strconv.Itoa(mib))
}

// files says whether it is a file system.
func (h host) files(dataset string) bool {
	h.t.Helper()
	return h.m.Run("zfs", "get", "-Ho", "value", "type", dataset) == "filesystem"
}

// Digest reads a clone: a replica has no device, and is not mounted.
func (h host) Digest(snapshot string) string {
	h.t.Helper()
	clone := h.pool.Dataset("digest-" + uuid.NewString()[:8]) // udev may not have noticed the end of the last one
	dataset, _, _ := strings.Cut(snapshot, "@")
	var sum string
	if h.files(dataset) {
		h.m.Run("zfs", "clone", "-o", "mountpoint=/run/"+clone, snapshot, clone)
		sum, _, _ = strings.Cut(h.m.Run("sha256sum", "/run/"+clone+"/file"), " ")
	} else {
		h.m.Run("zfs", "clone", "-o", "volmode=dev", snapshot, clone)
		sum = h.m.Digest(storagelab.Device(clone))
	}
	h.m.Script(`until zfs destroy "$1"; do sleep 0.2; done`, clone) // udev may still look at it
	return sum
}

func (h host) Kill(verb string) {
	h.t.Helper()
	h.m.Script(`tries=300
until pkill -KILL -f "$1"; do # it may be about to start
	tries=$((tries - 1)); [ $tries -gt 0 ] || exit 1; sleep 0.2
done`, "^zfs "+verb+" (-vP -t |.*"+h.pool.Name+")") // a sender that goes on with a token names no pool
}

// service is a connection to a machine as zfsadm, made when first used.
func service(t testing.TB, lab *storagelab.Lab, m *storagelab.Machine) *sshexec.Shared {
	t.Helper()
	login := inventory.SSH{Address: m.Address, User: "zfsadm", Key: lab.ServiceKey, HostKey: hostKey(t, lab, m)}
	shared := sshexec.NewShared(func(ctx context.Context) (*sshexec.Client, error) {
		r, err := sshexec.Resolve(ctx, m.Name, login, t.TempDir())
		if err != nil {
			return nil, err
		}
		return sshexec.Dial(ctx, r)
	})
	t.Cleanup(shared.Close)
	return shared
}
