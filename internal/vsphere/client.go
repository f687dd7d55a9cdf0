// Package vsphere talks to a vCenter, or to one ESXi host directly: it reads what is there and sends single calls that
// change something. It waits for nothing and repeats nothing: act once is the business of activities/.
//
// Every error has a kind of package fault, where one fits, and a text that says what was tried, where, and why it
// failed. The package must not know Temporal, plans or what a runbook wants.
package vsphere

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

const (
	callTimeout = time.Minute     // a call that does one thing
	bulkTimeout = 5 * time.Minute // a read of the whole inventory
	keepAlive   = 5 * time.Minute // a vCenter forgets a session after 30 minutes without a call
)

// A Client is logged in to one vCenter or ESXi host. It is safe for concurrent use, and logs in anew when the session
// is lost. Close ends it.
type Client struct {
	name     string // in the lab file
	user     string
	password inventory.Secret
	vim      *vim25.Client
	session  *session
	offset   atomic.Int64 // its clock less ours, in nanoseconds, as last seen

	stop   context.CancelFunc
	closed sync.Once

	tagging sync.Mutex
	tagAPI  *rest.Client // nil: not logged in to the tag service
}

// Connect reaches the vCenter or ESXi host and logs in, once. The errors are of the kinds fault.Unreachable,
// fault.Identity (another certificate), fault.Auth (login refused) and fault.Unsupported (neither vCenter nor ESXi).
// The context is only for connecting, but its values are kept.
func Connect(ctx context.Context, e endpoint.Resolved) (*Client, error) {
	c := &Client{name: e.Name, user: e.User, password: e.Password}
	sc, jar := transport(e)

	first, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	vim, err := vim25.NewClient(first, sc)
	if err != nil {
		return nil, c.connecting("reach "+e.Name+" ("+sc.URL().String()+")", err)
	}
	if vim.ServiceContent.SessionManager == nil {
		return nil, c.connecting("reach "+e.Name+" ("+sc.URL().String()+")", errNoVCenter)
	}
	c.vim = vim
	c.session = newSession(sc, jar, *vim.ServiceContent.SessionManager, e.User, e.Password)
	if vim.IsVC() {
		c.session.ready = c.signOnReady
	}
	vim.RoundTripper = c.session
	if err := c.session.renew(ctx, 0); err != nil {
		return nil, c.connecting("log in to "+e.Name+" as "+e.User, err)
	}

	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	go c.session.keep(alive, vim.ServiceContent, keepAlive)
	if _, err := c.clock(ctx); err != nil {
		_ = c.Close(ctx)
		return nil, c.explain("read the clock", err)
	}
	return c, nil
}

// transport makes the HTTP side: our own TLS rules, no redirects (the machine that was verified is the one that answers).
func transport(e endpoint.Resolved) (*soap.Client, *jar) {
	u := *e.URL
	if u.Path = strings.TrimSuffix(u.Path, "/"); u.Path == "" {
		u.Path = vim25.Path
	}
	u.User = nil
	sc := soap.NewClient(&u, false)
	t := sc.DefaultTransport()
	// govmomi's own dialler ignores the context and tries thumbprints.
	t.DialTLSContext = nil
	if e.TLS != nil {
		t.TLSClientConfig = e.TLS.Clone()
	}
	j := newJar()
	sc.Jar = j
	sc.Timeout = bulkTimeout + callTimeout
	sc.CheckRedirect = noRedirect
	sc.UserAgent = "nightshift"
	return sc, j
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close logs out. It is an error only where the session could not be ended; the client is unusable in any case.
func (c *Client) Close(ctx context.Context) error {
	var err error
	c.closed.Do(func() {
		c.stop()
		c.leaveTags(ctx, nil)
		err = c.session.logout(ctx)
		c.vim.CloseIdleConnections()
	})
	return c.explain("log out", err)
}

// Name is the vCenter's name in the lab file.
func (c *Client) Name() string { return c.name }

// About is what the endpoint tells of itself: only the fields Name to APIType and the clock's offset are set.
func (c *Client) About() live.VCenter {
	a := c.vim.ServiceContent.About
	return live.VCenter{Name: c.name, InstanceUUID: strings.ToLower(a.InstanceUuid), Version: a.Version, Build: a.Build,
		APIType: a.ApiType, ClockOffset: time.Duration(c.offset.Load())}
}

// Root is the managed object id of the root folder, for MissingPrivileges.
func (c *Client) Root() string { return c.vim.ServiceContent.RootFolder.Value }

// URL is where it was reached, without credentials.
func (c *Client) URL() *url.URL { return c.vim.URL() }

// clock measures the server's clock less ours, to half a round trip.
func (c *Client) clock(ctx context.Context) (time.Duration, error) {
	sent := time.Now()
	server, err := methods.GetCurrentTime(ctx, c.vim)
	if err != nil {
		return 0, err
	}
	offset := server.Sub(sent.Add(time.Since(sent) / 2))
	c.offset.Store(int64(offset))
	return offset, nil
}

// ours turns a time of the server into one of our clock.
func (c *Client) ours(t *time.Time) time.Time {
	if t == nil || t.IsZero() {
		return time.Time{}
	}
	return t.Add(-time.Duration(c.offset.Load()))
}

// read runs fn, which only reads. Views and collectors die with their session: where it was renewed meanwhile, or must
// be, fn runs once more.
func (c *Client) read(ctx context.Context, op string, fn func(context.Context) error) error {
	before := c.session.number()
	err := fn(ctx)
	if err == nil {
		return nil
	}
	if notAuthenticated(err) {
		if again := c.session.renew(ctx, before); again != nil {
			return c.explain(op, again)
		}
	}
	if c.session.number() != before {
		err = fn(ctx)
	}
	return c.explain(op, err)
}

// Managed object ids come without their type: the verb knows it.
func vmRef(id string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "VirtualMachine", Value: id}
}

func hostRef(id string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "HostSystem", Value: id}
}

func clusterRef(id string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "ClusterComputeResource", Value: id}
}

func taskRef(id string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "Task", Value: id}
}

// anyRef guesses the type by the form of ids that vCenter and ESXi give.
func (c *Client) anyRef(id string) types.ManagedObjectReference {
	for _, k := range []struct{ prefix, kind string }{
		{"vm-", "VirtualMachine"}, {"host-", "HostSystem"}, {"ha-host", "HostSystem"},
		{"domain-c", "ClusterComputeResource"}, {"domain-s", "ComputeResource"}, {"ha-compute-res", "ComputeResource"},
		{"clustercomputeresource-", "ClusterComputeResource"}, {"computeresource-", "ComputeResource"},
		{"group-", "Folder"}, {"ha-folder-", "Folder"}, {"folder-", "Folder"},
		{"datacenter-", "Datacenter"}, {"ha-datacenter", "Datacenter"}, {"datastore-", "Datastore"},
		{"resgroup-", "ResourcePool"}, {"ha-root-pool", "ResourcePool"}, {"task-", "Task"}, {"haTask-", "Task"},
	} {
		if strings.HasPrefix(id, k.prefix) {
			return types.ManagedObjectReference{Type: k.kind, Value: id}
		}
	}
	// ESXi numbers its VMs.
	return vmRef(id)
}
