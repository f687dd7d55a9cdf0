package zfs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// Status reads what `zpool status` says of a pool, for people: what is wrong, what to do, the last scrub.
func (c *Client) Status(ctx context.Context, pool string) (live.ZPoolStatus, error) {
	if err := checkPool(pool); err != nil {
		return live.ZPoolStatus{}, err
	}
	out, err := c.output(ctx, maxListing, "zpool", "status", pool)
	if err != nil {
		return live.ZPoolStatus{}, err
	}
	status, err := parseStatus(string(out))
	if err != nil {
		return live.ZPoolStatus{}, fmt.Errorf("%s: %w", c.name, err)
	}
	return status, nil
}

// parseStatus takes the form of status_callback in zpool_main.c: "  name: value", values go on in lines that begin with a tab.
func parseStatus(out string) (live.ZPoolStatus, error) {
	said := make(map[string]string)
	current := ""
	for line := range strings.SplitSeq(out, "\n") {
		name, value, is := strings.Cut(strings.TrimLeft(line, " "), ":")
		switch {
		case strings.HasPrefix(line, "\t"):
			said[current] += " " + strings.TrimSpace(line)
		case is && name != "" && !strings.ContainsAny(name, " \t"):
			current = name
			said[current] = strings.TrimSpace(value)
		}
	}
	s := live.ZPoolStatus{Pool: said["pool"], State: said["state"], Problem: clean(said["status"]), Remedy: clean(said["action"]),
		Scan: clean(said["scan"]), Errors: clean(said["errors"])}
	if s.Pool == "" || s.State == "" || s.Errors == "" {
		return s, fault.As(fault.Unsupported, errors.New("`zpool status` prints what nightshift cannot read: "+clean(out)))
	}
	if s.Errors == "No known data errors" {
		s.Errors = ""
	}
	return s, nil
}
