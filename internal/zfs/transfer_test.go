package zfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

const sender = `printf 'full\ttank/mail@x\t%s\nsize\t%s\n' "$(wc -c <"$bench/stream")" "$(wc -c <"$bench/stream")" >&2
printf '09:05:59\t4096\ttank/mail@x\n' >&2
[ -f "$bench/sender-says" ] && cat "$bench/sender-says" >&2
cat "$bench/stream"
[ -f "$bench/sender-status" ] && exit "$(cat "$bench/sender-status")"
exit 0`

// receiver takes what comes, and then says whatever it is to say.
const receiver = `[ -f "$bench/receiver-says" ] && cat "$bench/receiver-says" >&2
[ -f "$bench/receiver-status" ] && { cat >/dev/null; exit "$(cat "$bench/receiver-status")"; }
cat >"$bench/received"
printf '%s\n' "$*" >"$bench/receiver-args"
exit 0`

const fakeSSH = `printf '%s\n' "$@" >"$bench/ssh-args"
[ -f "$bench/ssh-says" ] && { cat "$bench/ssh-says" >&2; exit 255; }
for last; do :; done
exec sh -c "$last"`

func transferBench(t *testing.T, stream string) *bench {
	t.Helper()
	b := newBench(t)
	b.program("zfs", "case $1 in\nsend) "+sender+" ;;\nreceive) "+receiver+" ;;\nesac")
	b.program("ssh", fakeSSH)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "stream"), []byte(stream), 0o600))
	return b
}

func (b *bench) put(name, text string) {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600))
}

var (
	route    = Route{Address: "10.99.0.2", Port: 22, User: "zfsadm"}
	transfer = Transfer{Send: Send{Snapshot: "tank/mail@x"}, Receive: Receive{Dataset: "backup/ss1/it's $(here) mail", Set: ReplicaProps(true)}}
)

func goodTransfer() Transfer {
	t := transfer
	t.Receive.Dataset = "backup/ss1/the mail"
	return t
}

// ways are both ways of a stream; shells those that run the script of the direct one.
func ways(t *testing.T, test func(t *testing.T, start func(b *bench, tr Transfer) (Progress, error))) {
	t.Helper()
	for _, shell := range []string{"sh", "bash", "ksh"} {
		t.Run("direct by "+shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip("there is no " + shell)
			}
			test(t, func(b *bench, tr Transfer) (Progress, error) {
				b.shell = shell
				return b.client("ss1").Direct(t.Context(), b.client("ss2"), route, tr)
			})
		})
	}
	t.Run("through the worker", func(t *testing.T) {
		test(t, func(b *bench, tr Transfer) (Progress, error) {
			return b.client("ss1").Relay(t.Context(), b.client("ss2"), tr)
		})
	})
}

func TestAStreamArrives(t *testing.T) {
	ways(t, func(t *testing.T, start func(*bench, Transfer) (Progress, error)) {
		stream := strings.Repeat("0123456789abcde\n", 100_000)
		b := transferBench(t, stream)
		b.put("sender-says", "WARNING: something else\n")
		var seen []Progress
		tr := goodTransfer()
		tr.Report = func(p Progress) { seen = append(seen, p) }
		p, err := start(b, tr)
		require.NoError(t, err)
		require.Equal(t, Progress{Sent: 4096, Total: int64(len(stream))}, p)
		require.NotEmpty(t, seen)
		require.Equal(t, stream, b.file("received"))
		require.Equal(t, "receive -s -u -o readonly=on -o volmode=none backup/ss1/the mail\n", b.file("receiver-args"))
	})
}

func TestNoNameBecomesShellText(t *testing.T) {
	b := transferBench(t, "x")
	_, err := b.client("ss1").Direct(t.Context(), b.client("ss2"), route, transfer)
	require.ErrorIs(t, err, fault.Invalid, "a name that ZFS does not know")
	for _, r := range []Route{{Address: "-oProxyCommand=reboot", Port: 22, User: "a"}, {Address: "a b", Port: 22, User: "a"}, {Address: "a", Port: 22, User: "-l"},
		{Address: "a", Port: 0, User: "a"}, {Address: "", Port: 22, User: "a"}} {
		_, err := b.client("ss1").Direct(t.Context(), b.client("ss2"), r, goodTransfer())
		require.ErrorIs(t, err, fault.Invalid, "%+v", r)
	}
	require.Empty(t, b.ran())

	r := route
	r.Key, r.Address = "/home/zfs adm/$(touch "+b.dir+"/owned)", "ss2;touch"
	_, err = b.client("ss1").Direct(t.Context(), b.client("ss2"), r, goodTransfer())
	require.NoError(t, err)
	require.NoFileExists(t, filepath.Join(b.dir, "owned"))
	args := strings.Split(b.file("ssh-args"), "\n")
	require.Subset(t, args, []string{"IdentitiesOnly=yes", "-i", r.Key, "--", "ss2;touch", "StrictHostKeyChecking=yes", "BatchMode=yes"})
}

func TestBothEndsAreJudged(t *testing.T) {
	for _, test := range []struct {
		name                                   string
		senderSays, receiverSays               string
		senderStatus, receiverStatus, sshWords string
		is                                     []error
		says                                   []string
		never                                  string
	}{
		{name: "the receiver refuses, and the sender says that all is well", receiverStatus: "1",
			receiverSays: "cannot receive incremental stream: destination backup/ss1/mail has been modified\nsince most recent snapshot\n",
			is:           []error{fault.State, ErrModified}, says: []string{"ss2: `zfs receive"}},
		{name: "quota", receiverStatus: "1", receiverSays: "cannot receive new filesystem stream: destination backup/ss1/mail space quota exceeded.\n",
			is: []error{fault.State, ErrQuota}},
		{name: "the sender fails, and what arrived is not whole", senderStatus: "1", receiverStatus: "1",
			senderSays:   "warning: cannot send 'tank/mail@x': incremental source (@w) does not exist\n",
			receiverSays: "cannot receive incremental stream: incomplete stream.\nPartially received snapshot is saved.\n",
			is:           []error{fault.NotFound, ErrNoSource}, says: []string{"ss1: `zfs send", "the receiver: ss2:", "incomplete stream"}},
		{name: "the sender fails, and the receiver does not mind", senderStatus: "1", senderSays: "cannot open 'tank/mail@x': dataset does not exist\n",
			is: []error{fault.NotFound}, says: []string{"ss1:"}},
		{name: "the sender dies of the receiver", senderStatus: "1", senderSays: "warning: cannot send 'tank/mail@x': Broken pipe\n", receiverStatus: "1",
			receiverSays: "cannot receive: checksum mismatch.\n", is: []error{fault.Unreachable, ErrDamaged}, says: []string{"ss2: `zfs receive"}, never: "the sender"},
		{name: "the sender dies of the receiver, whose pipe is a socket", senderStatus: "1", senderSays: "yes: standard output: Connection reset by peer\n",
			receiverStatus: "1", receiverSays: "cannot receive: out of space\n", is: []error{fault.State, ErrNoSpace}, never: "the sender"},
		{name: "the sender fails beside it", senderStatus: "1", senderSays: "cannot send: Broken pipe\ncannot send: Input/output error\n", receiverStatus: "1",
			receiverSays: "cannot receive: out of space\n", is: []error{fault.State, ErrNoSpace}, says: []string{"ss2: `zfs receive", "the sender: ss1"}},
		{name: "nobody says why", receiverStatus: "3", is: []error{fault.State}, says: []string{"ended with status 3", "it does not say why"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ways(t, func(t *testing.T, start func(*bench, Transfer) (Progress, error)) {
				b := transferBench(t, "0123456789")
				for name, text := range map[string]string{"sender-says": test.senderSays, "receiver-says": test.receiverSays,
					"sender-status": test.senderStatus, "receiver-status": test.receiverStatus} {
					if text != "" {
						b.put(name, text)
					}
				}
				_, err := start(b, goodTransfer())
				for _, is := range test.is {
					require.ErrorIs(t, err, is)
				}
				for _, says := range test.says {
					require.ErrorContains(t, err, says)
				}
				if test.never != "" {
					require.NotContains(t, err.Error(), test.never)
				}
			})
		})
	}
}

func TestAReceiverThatRefusesInMidStreamEndsTheSender(t *testing.T) {
	ways(t, func(t *testing.T, start func(*bench, Transfer) (Progress, error)) {
		b := transferBench(t, "")
		b.program("zfs", "case $1 in\nsend) exec yes ;;\nreceive) head -c 10 >/dev/null; echo 'cannot receive new filesystem stream: out of space' >&2; exit 1 ;;\nesac")
		_, err := start(b, goodTransfer())
		require.ErrorIs(t, err, ErrNoSpace)
		require.ErrorContains(t, err, "ss2")
		require.NotContains(t, err.Error(), "the sender", "it died of the receiver")
	})
}

func TestAReceiverThatRefusesEndsASenderThatIsQuiet(t *testing.T) {
	b := transferBench(t, "")
	b.program("zfs", "case $1 in\nsend) echo x; exec sleep 100000 ;;\nreceive) head -c 1 >/dev/null; echo 'cannot receive: out of space' >&2; exit 1 ;;\nesac")
	_, err := b.client("ss1").Relay(t.Context(), b.client("ss2"), goodTransfer())
	require.ErrorIs(t, err, ErrNoSpace)
	require.NotContains(t, err.Error(), "canceled", "it was told to")
}

func TestSSHBetweenTheHosts(t *testing.T) {
	for _, test := range []struct {
		says string
		kind error
	}{
		{"Host key verification failed.\n", fault.Identity},
		{"zfsadm@10.99.0.2: Permission denied (publickey).\n", fault.Auth},
		{"ssh: connect to host 10.99.0.2 port 22: No route to host\n", fault.Unreachable},
		{"Timeout, server 10.99.0.2 not responding.\n", fault.Unreachable},
	} {
		b := transferBench(t, strings.Repeat("x", 1<<20))
		b.put("ssh-says", test.says)
		_, err := b.client("ss1").Direct(t.Context(), b.client("ss2"), route, goodTransfer())
		require.ErrorIs(t, err, test.kind)
		require.ErrorContains(t, err, "ss2: ssh zfsadm@10.99.0.2, from the source: "+strings.TrimSpace(test.says))
	}
}

func TestTheBannerOfAChangedHostKeyIsLeftOut(t *testing.T) {
	b := transferBench(t, "x")
	b.put("ssh-says", "@@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@@@\r\nIT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r\n"+
		"The fingerprint for the ED25519 key sent by the remote host is\r\nSHA256:abc.\r\nOffending ED25519 key in /home/zfsadm/.ssh/known_hosts:1\r\n"+
		"Host key for 10.99.0.2 has changed and you have requested strict checking.\r\nHost key verification failed.\r\n")
	_, err := b.client("ss1").Direct(t.Context(), b.client("ss2"), route, goodTransfer())
	require.ErrorIs(t, err, fault.Identity)
	require.ErrorIs(t, err, ErrPeerKey)
	require.EqualError(t, err, "ss2: ssh zfsadm@10.99.0.2, from the source: it shows SHA256:abc. / "+
		"Host key for 10.99.0.2 has changed and you have requested strict checking. / Host key verification failed.")
}

func TestATransferThatDoesNotTellItsEnd(t *testing.T) {
	c := New("ss1", scripted(func([]string) (string, string, Exit) { return "something\n", "", Exit{-1, "TERM"} }))
	_, err := c.Direct(t.Context(), New("ss2", nil), route, goodTransfer())
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "does not say how its parts ended")
	for _, last := range []string{"nightshift-status send 0", "nightshift-status send x receive 0", "nightshift-status", "nightshift-status send 0 receive", "nightshift-status send 0 pace 0"} {
		ends, _, err := (&tail{kept: []byte("words\n" + last + "\n")}).statuses()
		require.Truef(t, err != nil || ends["receive"].Status != 0 || len(ends) == 1, "%s: %v", last, ends)
	}
}

func TestALimitIsKeptByWhatIsThere(t *testing.T) {
	for _, pacer := range []string{"mbuffer", "pv"} {
		b := transferBench(t, "0123456789")
		b.program(pacer, `printf '%s\n' "$*" >"$bench/pacer"; exec cat`)
		tr := goodTransfer()
		tr.Limit = 52428800
		_, err := b.client("ss1").Direct(t.Context(), b.client("ss2"), route, tr)
		require.NoError(t, err)
		require.Equal(t, "0123456789", b.file("received"))
		require.Equal(t, map[string]string{"mbuffer": "-q -m 2M -R 52428800\n", "pv": "-q -L 52428800\n"}[pacer], b.file("pacer"))
	}
}

func TestWithoutAPacerALimitedStreamIsNotSent(t *testing.T) {
	for _, p := range []string{"mbuffer", "pv"} {
		if _, err := exec.LookPath(p); err == nil {
			t.Skip("there is a " + p)
		}
	}
	b := transferBench(t, "0123456789")
	tr := goodTransfer()
	tr.Limit = 1
	_, err := b.client("ss1").Direct(t.Context(), b.client("ss2"), route, tr)
	require.ErrorIs(t, err, ErrNoPacer)
	require.ErrorIs(t, err, fault.NotDone)
	require.NoFileExists(t, filepath.Join(b.dir, "received"))
}

// half is a Runner that loses its connection after some bytes.
type half struct {
	Runner
	send, receive bool
}

func (h half) Run(ctx context.Context, argv []string, s Streams) (Exit, error) {
	gone := fault.As(fault.Unreachable, errors.New("the connection ended before the command did"))
	switch {
	case h.send && argv[4] == "send":
		_, _ = s.Stdout.Write([]byte("half"))
		return Exit{}, gone
	case h.receive && argv[4] == "receive":
		_, _ = io.ReadFull(s.Stdin, make([]byte, 10))
		return Exit{}, gone
	}
	return h.Runner.Run(ctx, argv, s)
}

func TestALostConnectionEndsTheOtherSide(t *testing.T) {
	b := transferBench(t, "")
	b.program("zfs", "case $1 in\nsend) exec yes ;;\nreceive) cat >/dev/null; echo 'cannot receive: incomplete stream.' >&2; exit 1 ;;\nesac")
	_, err := New("ss1", half{Runner: b, send: true}).Relay(t.Context(), b.client("ss2"), goodTransfer())
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "ss1: the connection ended")

	_, err = b.client("ss1").Relay(t.Context(), New("ss2", half{Runner: b, receive: true}), goodTransfer())
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "ss2: the connection ended")
}

func TestAnEndedContextEndsBothSides(t *testing.T) {
	b := transferBench(t, "")
	b.program("zfs", "case $1 in\nsend) exec yes ;;\nreceive) exec cat >/dev/null ;;\nesac")
	ctx, cancel := context.WithCancel(t.Context())
	count := &counter{after: 1 << 20, then: cancel}
	b2 := tee{b, count}
	_, err := New("ss1", b2).Relay(ctx, b.client("ss2"), goodTransfer())
	require.Error(t, err)
	require.ErrorIs(t, err, context.Canceled)
}

// tee counts what a sender writes.
type tee struct {
	*bench
	count *counter
}

func (r tee) Run(ctx context.Context, argv []string, s Streams) (Exit, error) {
	s.Stdout = io.MultiWriter(s.Stdout, r.count)
	argv = append([]string{}, argv...)
	argv[2] = "PATH=" + r.dir + ":/usr/bin:/bin"
	return r.bench.Run(ctx, argv, s)
}

type counter struct {
	n     atomic.Int64
	after int64
	then  func()
}

func (c *counter) Write(p []byte) (int, error) {
	if n := c.n.Add(int64(len(p))); c.after > 0 && n > c.after {
		c.then()
	}
	return len(p), nil
}

func TestMemoryDoesNotDependOnTheStream(t *testing.T) {
	b := transferBench(t, "")
	b.program("zfs", "case $1 in\nsend) exec head -c 200M /dev/zero ;;\nreceive) exec cat >/dev/null ;;\nesac")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := b.client("ss1").Relay(t.Context(), b.client("ss2"), goodTransfer())
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20), "all that was ever allocated for 200 MiB")
}

func TestAPacedWriterKeepsToItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		w := pace(t.Context(), &out, 1<<20)
		data := bytes.Repeat([]byte("0123456789abcdef"), 4<<16) // 4 MiB
		start := time.Now()
		n, err := w.Write(data)
		require.NoError(t, err)
		require.Equal(t, len(data), n)
		require.True(t, bytes.Equal(data, out.Bytes()))
		require.InDelta(t, 4*time.Second-maxDebt, time.Since(start), float64(20*time.Millisecond), "the clock is a simulated one")

		time.Sleep(time.Hour) //nolint:forbidigo // as above
		start = time.Now()
		_, err = w.Write(data)
		require.NoError(t, err)
		require.InDelta(t, 4*time.Second-maxDebt, time.Since(start), float64(20*time.Millisecond), "an hour is not made up for")
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	_, err := pace(ctx, &out, 1).Write([]byte("x"))
	require.ErrorIs(t, err, context.Canceled)
	require.Same(t, &out, pace(t.Context(), &out, 0), "no limit costs nothing")
}
