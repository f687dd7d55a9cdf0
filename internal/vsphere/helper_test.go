package vsphere

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // the tag service
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
)

const (
	testUser     = "nightshift@vsphere.local"
	testPassword = "correct-horse-7"
)

// A sim is a stock vcsim behind TLS, with a login, that counts calls and can be told to refuse them.
type sim struct {
	model    *simulator.Model
	endpoint endpoint.Resolved

	mu    sync.Mutex
	calls map[string]int
	last  map[string]any // the last request by method
	hook  func(method string) types.BaseMethodFault
}

func startSim(t *testing.T, m *simulator.Model) *sim {
	t.Helper()
	require.NoError(t, m.Create())
	s := &sim{model: m, calls: map[string]int{}, last: map[string]any{}}
	m.Service.TLS = new(tls.Config)
	m.Service.Listen = &url.URL{User: url.UserPassword(testUser, testPassword)}
	m.Service.RegisterEndpoints = true
	m.Map().Handler = s.handle
	server := m.Service.NewServer()
	t.Cleanup(func() { server.Close(); m.Remove() })

	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	u := *server.URL
	u.User = nil
	s.endpoint = endpoint.Resolved{Name: "vc1", URL: &u, User: testUser, Password: inventory.NewSecret(testPassword),
		TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	return s
}

func (s *sim) handle(_ *simulator.Context, m *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[m.Name]++
	s.last[m.Name] = m.Body
	if s.hook != nil {
		return nil, s.hook(m.Name)
	}
	return nil, nil
}

// count says how often a method was called.
func (s *sim) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// request is the last one of a method.
func (s *sim) request(method string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last[method]
}

// refuse answers calls of a method with a fault; nil ends it.
func (s *sim) refuse(method string, f types.BaseMethodFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = func(name string) types.BaseMethodFault {
		if name == method {
			return f
		}
		return nil
	}
}

func (s *sim) connect(t *testing.T) *Client {
	t.Helper()
	c, err := Connect(t.Context(), s.endpoint)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// change sets properties of an object in the simulator.
func (s *sim) change(ref types.ManagedObjectReference, kv ...any) {
	ctx := *s.model.Service.Context
	obj := ctx.Map.Get(ref)
	var changes []types.PropertyChange
	for i := 0; i < len(kv); i += 2 {
		changes = append(changes, types.PropertyChange{Name: kv[i].(string), Val: kv[i+1]})
	}
	ctx.WithLock(obj, func() { ctx.Update(obj, changes) })
}

// any is one object of a type, always the same.
func (s *sim) any(kind string) types.ManagedObjectReference {
	var least types.ManagedObjectReference
	for _, o := range s.model.Map().AllReference(kind) {
		if ref := o.Reference(); least.Value == "" || ref.Value < least.Value {
			least = ref
		}
	}
	return least
}

// oneVM is a small vCenter: a cluster of two hosts and one VM that runs.
func oneVM() *simulator.Model {
	m := simulator.VPX()
	m.Host, m.ClusterHost, m.Machine = 0, 2, 1
	return m
}

// wait reads the task until it is done.
func wait(t *testing.T, c *Client, task string) TaskInfo {
	t.Helper()
	var info TaskInfo
	require.Eventually(t, func() bool {
		var err error
		info, err = c.Task(t.Context(), task)
		require.NoError(t, err)
		return info.Done()
	}, 30*time.Second, 5*time.Millisecond)
	return info
}
