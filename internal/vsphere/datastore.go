package vsphere

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

var datastoreProperties = []string{"name", "summary.type", "summary.accessible", "host"}

// newDatastore makes plain data from what was read. Accessible means: by any host.
func newDatastore(d *mo.Datastore) live.Datastore {
	out := live.Datastore{Ref: d.Self.Value, Name: shownName(d.Name), Type: d.Summary.Type, Accessible: d.Summary.Accessible}
	for _, h := range d.Host {
		out.Hosts = append(out.Hosts, h.Key.Value)
	}
	return out
}

// Datastores reads those that a host mounts; Accessible means: by this host.
func (c *Client) Datastores(ctx context.Context, host string) ([]live.Datastore, error) {
	var out []live.Datastore
	err := c.read(ctx, "read the datastores of host "+host, func(ctx context.Context) error {
		out = nil
		got, err := c.retrieve(ctx, wants{"Datastore": datastoreProperties, "HostSystem": {"runtime.connectionState"}},
			object(hostRef(host), along("HostSystem", "datastore")))
		if err != nil {
			return err
		}
		hosts := allOf[mo.HostSystem](got)
		if len(hosts) == 0 {
			return fault.As(fault.NotFound, fmt.Errorf("host %s is not there (any more)", host))
		}
		connected := hosts[0].Runtime.ConnectionState == types.HostSystemConnectionStateConnected
		for _, d := range allOf[mo.Datastore](got) {
			ds := newDatastore(d)
			ds.Accessible = connected && accessibleBy(d, host)
			out = append(out, ds)
		}
		return nil
	})
	return out, err
}

// accessibleBy is what the host says of its mount, where it says anything.
func accessibleBy(d *mo.Datastore, host string) bool {
	for _, h := range d.Host {
		if h.Key.Value != host {
			continue
		}
		if m := h.MountInfo; m.Mounted != nil && !*m.Mounted {
			return false
		}
		if a := h.MountInfo.Accessible; a != nil {
			return *a
		}
	}
	return d.Summary.Accessible
}
