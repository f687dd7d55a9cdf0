package zfs

import (
	"context"
	"fmt"
	"slices"
	"strings"

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

// versionScript prints the system, its release, and what `zfs version` says where there is one.
const versionScript = `uname -s || exit
uname -r || exit
command -v zfs >/dev/null 2>&1 || { echo "zfs: not found" >&2; exit 127; }
zfs version 2>/dev/null
exit 0`

// Version reads the operating system and, where they tell, the versions of the tools and of the kernel's part.
func (c *Client) Version(ctx context.Context) (system, tools, module string, err error) {
	var out, errs bounded
	out.limit, errs.limit = maxWords, maxWords
	exit, err := c.run.Run(ctx, c.script(versionScript), Streams{Stdout: &out, Stderr: &errs})
	switch {
	case err != nil:
		return "", "", "", fmt.Errorf("%s: %w", c.name, err)
	case !exit.OK():
		return "", "", "", c.refused([]string{"zfs", "version"}, exit, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) < 2 || lines[0] == "" || lines[1] == "" {
		return "", "", "", fault.As(fault.Unsupported, fmt.Errorf("%s: uname says %q", c.name, clean(out.String())))
	}
	for _, line := range lines[2:] {
		if v, is := strings.CutPrefix(line, "zfs-kmod-"); is {
			module = v
		} else if v, is := strings.CutPrefix(line, "zfs-"); is {
			tools = v
		}
	}
	return lines[0] + " " + lines[1], tools, module, nil
}
