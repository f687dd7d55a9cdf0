package zfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// healths are those of pools (zpool_prop.c, libzfs_util.c).
var healths = []string{"ONLINE", "DEGRADED", "FAULTED", "OFFLINE", "UNAVAIL", "REMOVED", "SUSPENDED"}

// Pools reads the imported pools, or those named.
func (c *Client) Pools(ctx context.Context, names ...string) ([]live.ZPool, error) {
	for _, n := range names {
		if err := checkPool(n); err != nil {
			return nil, err
		}
	}
	out, err := c.output(ctx, maxListing, slices.Concat([]string{"zpool", "list", "-Hp", "-o", "name,guid,health,size,allocated,free,readonly"}, names)...)
	if err != nil {
		return nil, err
	}
	pools, err := parsePools(out)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return pools, nil
}

// absent tells of an error that says that something is not there whether that is so as its pool is not imported: fault.Unreachable, as a
// host that boots takes logins before it has imported its pools. Any other error stays as it is.
func (c *Client) absent(ctx context.Context, err error, names ...string) error {
	if !errors.Is(err, fault.NotFound) {
		return err
	}
	pools := make([]string, len(names))
	for i, name := range names {
		pools[i], _, _ = strings.Cut(dataset(name), "/")
	}
	slices.Sort(pools)
	for _, pool := range slices.Compact(pools) {
		if _, err := c.Pools(ctx, pool); errors.Is(err, fault.NotFound) {
			return fault.As(fault.Unreachable, fmt.Errorf("%s: its pool %s is not imported", c.name, pool))
		}
	}
	return err
}

func checkPool(name string) error {
	if strings.Contains(name, "/") {
		return badName(name, "it is a dataset, not a pool")
	}
	return checkDataset(name)
}

func parsePools(out []byte) ([]live.ZPool, error) {
	var pools []live.ZPool
	err := eachLine("zpool list", out, 7, func(f []string) bool {
		p := live.ZPool{Name: f[0], Health: f[2]}
		ok := p.Name != "" && id(&p.GUID, f[1]) && slices.Contains(healths, p.Health) &&
			number(&p.Size, f[3]) && number(&p.Allocated, f[4]) && number(&p.Free, f[5]) && flag(&p.ReadOnly, f[6])
		pools = append(pools, p)
		return ok
	})
	return pools, err
}

// systemScript prints the system, its release, the time of its clock in seconds since 1970 where its `date` can tell, and what `zfs version`
// says where there is one.
const systemScript = `uname -s || exit
uname -r || exit
echo "clock $(date +%s 2>/dev/null)"
command -v zfs >/dev/null 2>&1 || { echo "zfs: not found" >&2; exit 127; }
zfs version 2>/dev/null
exit 0`

// A System is what a host tells of itself.
type System struct {
	Name   string // the operating system and its release
	Tools  string // the version of the tools, and
	Module string // of the kernel's part; empty where the system does not tell (illumos)
	// Ahead is how much its clock is ahead of the one here, at least; below 0: behind. 0: not at all, or it does not tell.
	Ahead time.Duration
}

// System reads what the host tells of itself.
func (c *Client) System(ctx context.Context) (s System, _ error) {
	var out, errs bounded
	out.limit, errs.limit = maxWords, maxWords
	asked := time.Now()
	exit, err := c.run.Run(ctx, c.script(systemScript), Streams{Stdout: &out, Stderr: &errs})
	switch {
	case err != nil:
		return s, fmt.Errorf("%s: %w", c.name, err)
	case !exit.OK():
		return s, c.refused([]string{"zfs", "version"}, exit, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) < 2 || lines[0] == "" || lines[1] == "" {
		return s, fault.As(fault.Unsupported, fmt.Errorf("%s: uname says %q", c.name, clean(out.String())))
	}
	s.Name = lines[0] + " " + lines[1]
	for _, line := range lines[2:] {
		if v, is := strings.CutPrefix(line, "zfs-kmod-"); is {
			s.Module = v
		} else if v, is := strings.CutPrefix(line, "zfs-"); is {
			s.Tools = v
		} else if v, is := strings.CutPrefix(line, "clock "); is {
			s.Ahead = ahead(v, asked, time.Now())
		}
	}
	return s, nil
}

// ahead is how much a clock that told the second, at some moment between asked and answered, is ahead.
func ahead(second string, asked, answered time.Time) time.Duration {
	n, err := strconv.ParseInt(second, 10, 64)
	if err != nil {
		return 0
	}
	from, to := time.Unix(n, 0), time.Unix(n+1, 0)
	switch {
	case from.After(answered):
		return from.Sub(answered).Truncate(time.Second)
	case to.Before(asked):
		return to.Sub(asked).Truncate(time.Second)
	}
	return 0
}
