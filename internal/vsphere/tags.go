package vsphere

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vapi/tags"

	"nightshift/internal/fault"
)

// guestTags reads the names of the tags of all VMs, by Ref. Tags live behind another API with a session of its own:
// it is opened for this one read and closed after it.
func (c *Client) guestTags(ctx context.Context) (map[string][]string, error) {
	if err := c.session.refusal(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, bulkTimeout)
	defer cancel()
	api := rest.NewClient(c.vim)
	api.CheckRedirect, api.Timeout = noRedirect, callTimeout
	if err := api.Login(ctx, url.UserPassword(c.user, c.password.Reveal())); err != nil {
		if rest.IsStatusError(err, http.StatusUnauthorized) {
			err = fault.As(fault.Auth, errors.New("login refused (HTTP 401)"))
			c.session.refuse(err)
		}
		return nil, c.tagError(err)
	}
	defer func() { _ = api.Logout(context.WithoutCancel(ctx)) }()
	out, err := readTags(ctx, tags.NewManager(api))
	return out, c.tagError(err)
}

func readTags(ctx context.Context, m *tags.Manager) (map[string][]string, error) {
	all, err := m.GetTags(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, nil
	}
	names, ids := map[string]string{}, []string{}
	for _, t := range all {
		names[t.ID] = t.Name
		ids = append(ids, t.ID)
	}
	attached, err := m.ListAttachedObjectsOnTags(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, a := range attached {
		for _, o := range a.ObjectIDs {
			if ref := o.Reference(); ref.Type == "VirtualMachine" {
				out[ref.Value] = append(out[ref.Value], names[a.TagID])
			}
		}
	}
	for ref := range out {
		slices.Sort(out[ref])
		// Tags of two categories may bear one name.
		out[ref] = slices.Compact(out[ref])
	}
	return out, nil
}

// tagError gives an error of the tag service a kind and a text. Its errors are text but for the login's.
func (c *Client) tagError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, fault.Auth) {
		return c.explain("read tags", err)
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "403"):
		err = fault.As(fault.Permission, errors.New("no permission (HTTP 403)"))
	case strings.Contains(text, "404"):
		err = fault.As(fault.Unsupported, errors.New("there is no tag service (HTTP 404)"))
	}
	return c.explain("read tags", err)
}
