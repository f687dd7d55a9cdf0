package zfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// Namespace is that of nightshift's own user properties: no other is ever set or taken away.
const Namespace = "nightshift:"

// A Property is the value that a dataset has, and where from.
type Property struct {
	Value  string
	Source string // local | received | default | temporary | "inherited from tank" | - (what cannot be set)
}

// Get reads properties of one dataset or snapshot. User properties that it does not have are missing from the answer. fault.NotFound: it is
// not there; fault.Unreachable: nor is its pool.
func (c *Client) Get(ctx context.Context, name string, properties ...string) (map[string]Property, error) {
	if err := checkAny(name); err != nil {
		return nil, err
	}
	if err := all(properties, checkProperty); err != nil {
		return nil, err
	}
	out, err := c.output(ctx, maxListing, "zfs", "get", "-Hp", "-o", "property,value,source", strings.Join(properties, ","), name)
	if err != nil {
		return nil, c.absent(ctx, err, name)
	}
	found := make(map[string]Property)
	if err := eachLine("zfs get", out, 3, func(f []string) bool {
		if f[1] != "-" || f[2] != "-" {
			found[f[0]] = Property{f[1], f[2]}
		}
		return slices.Contains(properties, f[0])
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return found, nil
}

// GetEach reads properties of file systems and volumes: of those named, or of all that there are. User properties that one does
// not have are missing from its answer.
func (c *Client) GetEach(ctx context.Context, properties []string, datasets ...string) (map[string]map[string]Property, error) {
	if len(datasets) > 0 {
		if err := all(datasets, checkDataset); err != nil {
			return nil, err
		}
	}
	if err := all(properties, checkProperty); err != nil {
		return nil, err
	}
	argv := append([]string{"zfs", "get", "-Hp", "-t", "filesystem,volume", "-o", "name,property,value,source", strings.Join(properties, ",")}, datasets...)
	out, err := c.output(ctx, maxListing, argv...)
	if err != nil {
		return nil, err
	}
	found := map[string]map[string]Property{}
	err = eachLine("zfs get", out, 4, func(f []string) bool {
		if f[2] != "-" || f[3] != "-" {
			if found[f[0]] == nil {
				found[f[0]] = map[string]Property{}
			}
			found[f[0]][f[1]] = Property{f[2], f[3]}
		}
		return f[0] != "" && slices.Contains(properties, f[1])
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return found, nil
}

// Own tells whether the value was set on the dataset itself, or came with it: what it inherits says nothing about it.
func (p Property) Own() bool { return p.Source == "local" || p.Source == "received" }

// SetUser sets user properties of nightshift on datasets, on each all in one go. Values have at most MaxValue bytes and no
// control characters: what has them is encoded by who wants to keep it.
func (c *Client) SetUser(ctx context.Context, values map[string]string, datasets ...string) error {
	if err := all(datasets, checkDataset); err != nil {
		return err
	}
	if len(values) == 0 {
		return fault.As(fault.NotDone, fault.As(fault.Invalid, errors.New("no property is to be set")))
	}
	argv := []string{"zfs", "set"}
	for property, value := range values {
		if err := checkUser(property, value); err != nil {
			return err
		}
		argv = append(argv, property+"="+value)
	}
	slices.Sort(argv[2:])
	return c.act(ctx, append(argv, datasets...)...)
}

// ClearUser takes user properties of nightshift away from a dataset, one after the other: it then has what it inherits.
func (c *Client) ClearUser(ctx context.Context, dataset string, properties ...string) error {
	if err := checkDataset(dataset); err != nil {
		return err
	}
	for _, p := range properties {
		if err := checkUser(p, ""); err != nil {
			return err
		}
	}
	for _, p := range properties {
		if err := c.act(ctx, "zfs", "inherit", p, dataset); err != nil {
			return err
		}
	}
	return nil
}

func checkUser(property, value string) error {
	switch {
	case !strings.HasPrefix(property, Namespace) || property == Namespace || checkProperty(property) != nil:
		return fault.As(fault.NotDone, fault.As(fault.Invalid, fmt.Errorf("%q is no property of nightshift", property)))
	case len(value) > MaxValue:
		return fault.As(fault.NotDone, fault.As(fault.Invalid, fmt.Errorf("the value of %s has %d bytes, more than %d", property, len(value), MaxValue)))
	case strings.ContainsFunc(value, control):
		return fault.As(fault.NotDone, fault.As(fault.Invalid, fmt.Errorf("the value of %s has control characters", property)))
	}
	return nil
}

// checkProperty takes names of native and user properties: lower case, digits, and : + . _ - (valid_propname, zprop_user).
func checkProperty(name string) error {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(":+._-", c) < 0 {
			return fault.As(fault.Invalid, fmt.Errorf("%q is no name of a property", name))
		}
	}
	if name == "" || len(name) > maxName || name[0] == '-' {
		return fault.As(fault.Invalid, fmt.Errorf("%q is no name of a property", name))
	}
	return nil
}

// checkAny takes a dataset, snapshot or bookmark.
func checkAny(name string) error {
	switch {
	case strings.Contains(name, "@"):
		return checkSnapshot(name)
	case strings.Contains(name, "#"):
		return checkBookmark(name)
	}
	return checkDataset(name)
}
