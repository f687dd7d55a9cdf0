package zfs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// A Receive is where a stream goes. It is resumable (-s) and mounts nothing (-u); it never takes the destination back (-F).
type Receive struct {
	Dataset string
	Set     map[string]string // properties that the replica gets
}

// ReplicaProps are what makes a replica one: nobody writes to it, and a volume shows no device.
func ReplicaProps(volume bool) map[string]string {
	if volume {
		return map[string]string{"readonly": "on", "volmode": "none"}
	}
	return map[string]string{"readonly": "on", "canmount": "noauto"}
}

func (r Receive) argv() ([]string, error) {
	if err := checkDataset(r.Dataset); err != nil {
		return nil, err
	}
	if !strings.Contains(r.Dataset, "/") {
		return nil, fault.As(fault.Invalid, fmt.Errorf("%s is a pool: a replica lies in one", r.Dataset))
	}
	var options []string
	for p, v := range r.Set {
		if err := checkProperty(p); err != nil {
			return nil, err
		}
		if strings.ContainsFunc(v, control) || len(v) > MaxValue {
			return nil, fault.As(fault.Invalid, fmt.Errorf("the value of %s cannot be set", p))
		}
		options = append(options, p+"="+v)
	}
	slices.Sort(options)
	argv := []string{"zfs", "receive", "-s", "-u"}
	for _, o := range options {
		argv = append(argv, "-o", o)
	}
	return append(argv, r.Dataset), nil
}

// Abort throws away what a receive that was broken off has left in a dataset. fault.NotFound: there is nothing.
func (c *Client) Abort(ctx context.Context, dataset string) error {
	if err := checkDataset(dataset); err != nil {
		return err
	}
	return c.act(ctx, "zfs", "receive", "-A", dataset)
}
