package vsphere

import "context"

// markName is the custom attribute that says which nightshift works on a vCenter. It is on the root folder: there is
// exactly one, it is never moved or deleted, and it covers all clusters. Its type is Folder, so that the attribute does
// not show up, empty, at every VM.
const (
	markName = "nightshift"
	markType = "Folder"
)

// Mark reads who works on this vCenter; empty: nobody, or a direct ESXi host, which has no custom attributes.
func (c *Client) Mark(ctx context.Context) (string, error) {
	var out string
	err := c.read(ctx, "read the mark", func(ctx context.Context) error {
		var err error
		out, err = c.mark(ctx)
		return err
	})
	return out, err
}

func (c *Client) mark(ctx context.Context) (string, error) {
	_, out, err := c.attribute(ctx, markName, c.vim.ServiceContent.RootFolder)
	return out, err
}

// SetMark writes who works on this vCenter; empty clears it. It makes the attribute where it does not exist yet, so
// that it may be two calls; both may be repeated without harm.
func (c *Client) SetMark(ctx context.Context, value string) error {
	return c.setAttribute(ctx, "set the mark (custom attribute "+markName+" of the root folder)", markName, c.vim.ServiceContent.RootFolder, value)
}

// noteName is the custom attribute of a cluster that tells people, in the vSphere client, what was taken from it and has
// to be given back.
const noteName = "nightshift.restore"

// ClusterNote reads it; empty: there is none.
func (c *Client) ClusterNote(ctx context.Context, ref string) (string, error) {
	var out string
	err := c.read(ctx, "read the attribute "+noteName+" of cluster "+ref, func(ctx context.Context) error {
		var err error
		_, out, err = c.attribute(ctx, noteName, clusterRef(ref))
		return err
	})
	return out, err
}

// SetClusterNote writes it; empty clears it. Like SetMark it may be two calls, which may be repeated without harm.
func (c *Client) SetClusterNote(ctx context.Context, ref, value string) error {
	return c.setAttribute(ctx, "set the custom attribute "+noteName+" of cluster "+ref, noteName, clusterRef(ref), value)
}
