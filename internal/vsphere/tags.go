package vsphere

import (
	"context"
	"errors"
	"fmt"
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
	api, err := c.enterTags(ctx)
	if err != nil {
		return nil, c.tagError(err)
	}
	defer func() { _ = api.Logout(context.WithoutCancel(ctx)) }()
	out, err := readTags(ctx, tags.NewManager(api))
	return out, c.tagError(err)
}

func (c *Client) enterTags(ctx context.Context) (*rest.Client, error) {
	api := rest.NewClient(c.vim)
	api.CheckRedirect, api.Timeout = noRedirect, callTimeout
	err := api.Login(ctx, url.UserPassword(c.user, c.password.Reveal()))
	if err != nil && rest.IsStatusError(err, http.StatusUnauthorized) {
		err = fault.As(fault.Auth, errors.New("login refused (HTTP 401)"))
		c.session.refuse(err)
	}
	return api, err
}

// GuestTags reads the names of the tags of one VM. As a run asks this of many, the session is kept. A direct ESXi host
// has no tags.
func (c *Client) GuestTags(ctx context.Context, ref string) ([]string, error) {
	if !c.vim.IsVC() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for again := false; ; again = true {
		api, err := c.tagSession(ctx)
		if err != nil {
			return nil, c.tagError(err)
		}
		attached, err := tags.NewManager(api).GetAttachedTags(ctx, vmRef(ref))
		said := fmt.Sprint(err) // of this service's errors only the text is left
		switch {
		case err == nil:
			var names []string
			for _, t := range attached {
				names = append(names, t.Name)
			}
			slices.Sort(names)
			return slices.Compact(names), nil
		case strings.Contains(said, "401 ") && !again: // it forgets a session after a while
			c.leaveTags(ctx, api)
		case strings.Contains(said, "404 "): // a tag that was deleted between two reads
			return nil, c.explain("read the tags of guest "+ref, fault.As(fault.Unreachable, errors.New("they changed while they were read")))
		default:
			return nil, c.tagError(err)
		}
	}
}

// tagSession is the one that is kept.
func (c *Client) tagSession(ctx context.Context) (*rest.Client, error) {
	c.tagging.Lock()
	defer c.tagging.Unlock()
	if c.tagAPI != nil {
		return c.tagAPI, nil
	}
	if err := c.session.refusal(); err != nil {
		return nil, err
	}
	api, err := c.enterTags(ctx)
	if err == nil {
		c.tagAPI = api
	}
	return api, err
}

// leaveTags ends the session that is kept, if it is still this one; nil: whichever it is.
func (c *Client) leaveTags(ctx context.Context, which *rest.Client) {
	c.tagging.Lock()
	defer c.tagging.Unlock()
	if c.tagAPI != nil && (which == nil || which == c.tagAPI) {
		_ = c.tagAPI.Logout(context.WithoutCancel(ctx))
		c.tagAPI = nil
	}
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
