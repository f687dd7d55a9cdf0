//go:build storagelab

package storagelab_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/test/storagelab"
)

const roundsCycled = 5

// plainCycle is a cycle by plain commands: one atomic snapshot, an increment of each volume, and a look whether both sides have it.
//
//	$1 the new snapshot   $2 the last one, may be empty   $3 address of the target   $4 where on it   $5… volumes
const plainCycle = `new=$1 last=$2 to=$3 under=$4
shift 4
snapshots=
for volume; do snapshots="$snapshots $volume@$new"; done
zfs snapshot $snapshots
for volume; do
	zfs send -c -L ${last:+-i} ${last:+"@$last"} "$volume@$new" |
		ssh -o BatchMode=yes "$to" zfs receive -s -u -o readonly=on -o volmode=none "$under/${volume##*/}"
	here=$(zfs get -Hpo value guid "$volume@$new")
	there=$(ssh -o BatchMode=yes "$to" zfs get -Hpo value guid "$under/${volume##*/}@$new")
	test "$here" = "$there"
done`

// syncoidCycle is one by syncoid, volume by volume: it has no snapshot of several.
const syncoidCycle = `PATH=$PATH:/usr/sbin:/sbin # Debian has it where only root's PATH looks
to=$1 under=$2
shift 2
for volume; do syncoid --quiet --no-privilege-elevation --sshoption=BatchMode=yes "$volume" "zfsadm@$to:$under/${volume##*/}"; done`

// A cost is what a cycle took: how long somebody waits, and how many logins and commands over SSH the hosts saw.
type cost struct {
	waited           time.Duration
	logins, commands int
}

// Round trips of SSH. A login: TCP, both versions, two of the key exchange (RFC 4253), the service, and the methods that there are, a key that is offered
// and its proof (RFC 4252). A command, where somebody is logged in: its channel and its request (RFC 4254).
const (
	tripsOfALogin   = 8
	tripsOfACommand = 2
)

func (c cost) trips() int { return tripsOfALogin*c.logins + tripsOfACommand*c.commands }

// cycled compares whole cycles of two volumes with nothing, and with little, to send.
func cycled(b *testing.B) string {
	lab := storagelab.ConnectAlone(b) // zfsadm's commands are counted
	for _, m := range []*storagelab.Machine{lab.SS1, lab.SS2} {
		talkative(b, m)
	}
	s := newStation(b, lab, "")
	lab.Prepare(s.from.pool, s.to.pool)
	service := lab.SS1.As("zfsadm")
	plain, syncoid := s.to.pool.Dataset("plain"), s.to.pool.Dataset("syncoid")
	for _, d := range []string{plain, syncoid} {
		lab.SS2.Run("zfs", "create", d)
	}
	taken := 0
	ways := []struct {
		name, user string
		do         func()
	}{
		{"`nightshift run replicate`", s.of.name, s.cycle},
		{"plain commands", "zfsadm", func() {
			last := ""
			if taken > 0 {
				last = fmt.Sprintf("plain%d", taken)
			}
			taken++
			service.Script(plainCycle, append([]string{fmt.Sprintf("plain%d", taken), last, lab.SS2.Private, plain}, s.volumes...)...)
		}},
		{"`syncoid`", "zfsadm", func() { service.Script(syncoidCycle, append([]string{lab.SS2.Private, syncoid}, s.volumes...)...) }},
	}
	for _, w := range ways { // in full
		w.do()
	}
	costs := map[string][]cost{}
	for round := range roundsCycled {
		for _, what := range []string{"nothing", "1 MiB"} {
			if what != "nothing" {
				s.from.Write(s.volumes[0], round, 1)
			}
			for n := range ways { // each begins in its turn
				w := ways[(n+round)%len(ways)]
				costs[what+w.name] = append(costs[what+w.name], costing(b, lab, w.user, w.do))
			}
		}
	}
	s.same()
	var text strings.Builder
	fmt.Fprintf(&text, `
### A cycle

Two volumes, of which nothing, or 1 MiB of one, has changed: what a person waits for who types it, from here. For `+"`nightshift`"+` that is the
plan with all that is read for it, the snapshot, holds, both streams, the comparison, the identity record and the measurements; for `+"`syncoid`"+` it is one
command per volume. Logins and commands are those in the logs of both machines' SSH servers, those between them as well. Round trips are what
these take by the protocol, %d and %d, without what a stream or a long answer needs; nightshift asks many things side by side.

| | changed | took | logins | commands | round trips |
| --- | --- | ---: | ---: | ---: | ---: |
`, tripsOfALogin, tripsOfACommand)
	for _, what := range []string{"nothing", "1 MiB"} {
		for n, w := range ways {
			c := middle(costs[what+w.name])
			fmt.Fprintf(&text, "| %s | %s | %s | %d | %d | %d |\n", w.name, what, milliseconds(c.waited), c.logins, c.commands, c.trips())
			unit := []string{"nightshift", "plain", "syncoid"}[n] + "-" + strings.ReplaceAll(what, " ", "")
			b.ReportMetric(float64(c.waited.Milliseconds()), "ms/"+unit)
			b.ReportMetric(float64(c.commands), "commands/"+unit)
		}
	}
	return text.String()
}

// middle is the median of each.
func middle(all []cost) cost {
	var waited []time.Duration
	var logins, commands []int
	for _, c := range all {
		waited, logins, commands = append(waited, c.waited), append(logins, c.logins), append(commands, c.commands)
	}
	return cost{median(waited), median(logins), median(commands)}
}

func costing(b *testing.B, lab *storagelab.Lab, user string, do func()) cost {
	b.Helper()
	logins, commands := seen(b, lab, user)
	began := time.Now()
	do()
	c := cost{waited: time.Since(began)}
	l, n := seen(b, lab, user)
	c.logins, c.commands = l-logins, n-commands
	return c
}

// talkative has a machine's SSH server write down every command, to the benchmark's end.
func talkative(b *testing.B, m *storagelab.Machine) {
	b.Helper()
	const file = "/etc/ssh/sshd_config.d/a-bench.conf"                       // the first that says something counts
	m.Script(`echo "LogLevel VERBOSE" >"$1" && systemctl restart ssh`, file) // a reload ends before it answers again
	b.Cleanup(func() { m.Script(`rm -f "$1" && systemctl restart ssh`, file) })
}

// seen are a user's logins and commands on both machines since they booted, as far as the servers wrote them down.
func seen(b *testing.B, lab *storagelab.Lab, user string) (logins, commands int) {
	b.Helper()
	count := func(m *storagelab.Machine, like string) int {
		n, err := strconv.Atoi(m.Script(`journalctl --sync && journalctl -q -o cat -t sshd -t sshd-session | grep -cE "$1" || :`, like))
		require.NoError(b, err)
		return n
	}
	for _, m := range []*storagelab.Machine{lab.SS1, lab.SS2} {
		logins += count(m, "^Accepted publickey for "+user+" from ")
		commands += count(m, "^Starting session: .* for "+user+" from ")
	}
	return logins, commands
}
