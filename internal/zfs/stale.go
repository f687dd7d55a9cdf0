package zfs

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"nightshift/internal/fault"
)

// staleScript ends the receivers of this account into one dataset ($1), and waits until they are gone, $2 seconds at most. It
// knows them by their account and by the words that Receive.argv gives them. ps of an older illumos shows only the first 80 bytes of a
// command; pargs shows all. The pids are printed.
const staleScript = `ds=$1 patience=$2
who=$(id -u 2>/dev/null) || who=$LOGNAME
whole=
command -v pargs >/dev/null 2>&1 && whole=pargs
ours() {
	ps -u "$who" -o pid= -o args= | while read -r pid args; do
		case $args in
		"zfs receive -s -u "*) ;;
		*) continue ;;
		esac
		[ -n "$whole" ] && args=$(pargs -l "$pid" 2>/dev/null)
		case $args in
		*" -s -u $ds" | *" -s -u -"*" $ds") echo "$pid" ;;
		esac
	done
}
ps -u "$who" -o pid= -o args= >/dev/null || exit 4
found=$(ours)
[ -z "$found" ] && exit 0
echo $found
kill $found
while [ -n "$(ours)" ]; do
	patience=$((patience - 1))
	if [ "$patience" -lt 0 ]; then
		echo "still there: "$(ours) >&2
		exit 3
	fi
	sleep 1
done
exit 0`

// stillThere is the status of staleScript where a receiver does not end in time.
const stillThere = 3

// endPatience is how long a receiver has to end, in seconds: what it has arrived is written first.
const endPatience = 60

// EndReceivers ends the receivers of our account that still run into a dataset on this host, left over from a transfer that
// lost its sender, and waits until they are gone: until then ZFS calls the dataset busy. It answers their process ids.
// Whoever calls it has made sure that no transfer of ours is under way. ErrBusy: one has not ended yet; fault.Unreachable:
// this was ended itself.
func (c *Client) EndReceivers(ctx context.Context, dataset string) ([]int, error) {
	if err := checkDataset(dataset); err != nil {
		return nil, err
	}
	var out, errs bounded
	out.limit, errs.limit = maxWords, maxWords
	exit, err := c.run.Run(ctx, c.script(staleScript, dataset, strconv.Itoa(endPatience)), Streams{Stdout: &out, Stderr: &errs})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	var pids []int
	for word := range strings.FieldsSeq(out.String()) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return pids, unreadable("ps", 1, out.Bytes(), err)
		}
		pids = append(pids, pid)
	}
	if exit.OK() {
		return pids, nil
	}
	err = fmt.Errorf("%s: ending the receivers into %s %s: %s", c.name, dataset, exit, clean(errs.String()))
	switch {
	case exit.Signal != "": // the host goes down, say
		return pids, fault.As(fault.Unreachable, err)
	case exit.Status == stillThere:
		return pids, fault.As(ErrBusy, fault.As(fault.State, err)) // as ZFS would say of the dataset
	}
	return pids, fault.As(fault.State, err)
}
