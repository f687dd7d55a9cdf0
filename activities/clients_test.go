package activities

import (
	"context"
	"errors"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/bmc"
	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

// A gatekeeper counts the logins that arrive at it. It refuses all passwords but "right".
type gatekeeper struct {
	logins   atomic.Int32
	password atomic.Value
	clock    atomic.Int64
}

func (g *gatekeeper) clients() *clients {
	a := newActivities(newWorld())
	c := a.clients
	g.password.Store("wrong")
	g.clock.Store(time.Now().UnixNano())
	c.now = func() time.Time { return time.Unix(0, g.clock.Load()) }
	c.resolve = func(_ context.Context, name string, _ inventory.Endpoint, _ string) (endpoint.Resolved, error) {
		return endpoint.Resolved{Name: name, URL: &url.URL{Scheme: "https", Host: name}, User: "ns", Password: inventory.NewSecret(g.password.Load().(string))}, nil
	}
	c.dialVC = func(_ context.Context, r endpoint.Resolved) (vcenter, error) {
		g.logins.Add(1)
		if r.Password.Reveal() != "right" {
			return nil, fault.As(fault.Auth, errors.New("log in to vc1 as ns: refused"))
		}
		return newWorld(), nil
	}
	c.dialBMC = func(ctx context.Context, r endpoint.Resolved, _ *inventory.BMC) (bmc.Session, error) {
		if _, err := c.dialVC(ctx, r); err != nil {
			return nil, err
		}
		return worldBMC{newWorld()}, nil
	}
	return c
}

func TestARefusedLoginArrivesOnce(t *testing.T) {
	ctx := context.Background()
	for name, login := range map[string]func(*clients) error{
		"vCenter": func(c *clients) error { _, err := c.vcenter(ctx, "vc1"); return err },
		"BMC": func(c *clients) error {
			s, err := c.server(&c.lab.Hosts[0])
			require.NoError(t, err)
			_, err = s.read(ctx, func(live.BMC) error { return nil })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gatekeeper{}
			c := g.clients()
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					for range 3 {
						require.ErrorIs(t, login(c), fault.Auth)
					}
				})
			}
			wg.Wait()
			require.EqualValues(t, 1, g.logins.Load())

			g.clock.Add(int64(lockout - time.Second))
			require.ErrorIs(t, login(c), fault.Auth)
			require.EqualValues(t, 1, g.logins.Load())
			g.clock.Add(int64(2 * time.Second))
			require.ErrorIs(t, login(c), fault.Auth)
			require.EqualValues(t, 2, g.logins.Load(), "the lockout is over")

			g.password.Store("right")
			require.NoError(t, login(c))
			require.EqualValues(t, 3, g.logins.Load(), "the secret changed")
		})
	}
}

func TestOneSessionPerVCenter(t *testing.T) {
	g := &gatekeeper{}
	c := g.clients()
	g.password.Store("right")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := c.vcenter(context.Background(), "vc1")
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, g.logins.Load())

	// The session ended, and the vCenter refused to renew it: the same password is not sent again.
	vc, err := c.vcenter(context.Background(), "vc1")
	require.NoError(t, err)
	c.failed("vc1", vc, fault.As(fault.Auth, errors.New("expired")))
	_, err = c.vcenter(context.Background(), "vc1")
	require.ErrorIs(t, err, fault.Auth)
	require.EqualValues(t, 1, g.logins.Load())
}

// A late no to a session that is over already says nothing about the one after it.
func TestALateNoOfAnOldSessionKeepsTheNewOne(t *testing.T) {
	g := &gatekeeper{}
	c := g.clients()
	g.password.Store("right")
	old, err := c.vcenter(t.Context(), "vc1")
	require.NoError(t, err)
	expired := fault.As(fault.Auth, errors.New("expired"))
	c.failed("vc1", old, expired)
	g.clock.Add(int64(lockout))
	now, err := c.vcenter(t.Context(), "vc1")
	require.NoError(t, err)

	c.failed("vc1", old, expired)
	still, err := c.vcenter(t.Context(), "vc1")
	require.NoError(t, err, "the new login is remembered as refused")
	require.Same(t, now, still)
	require.EqualValues(t, 2, g.logins.Load())
}

func TestAVCenterThatHangsIsNamed(t *testing.T) {
	c := newActivities(newWorld()).clients
	c.dialVC = func(ctx context.Context, _ endpoint.Resolved) (vcenter, error) {
		<-t.Context().Done()
		return nil, t.Context().Err()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := c.vcenter(ctx, "vc1")
	require.ErrorContains(t, err, "log in to vCenter vc1: ")
	require.True(t, transient(err))
}

func TestABMCGetsOneRequestAtATime(t *testing.T) {
	c := newActivities(newWorld()).clients
	var busy, most atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			s, err := c.server(&c.lab.Hosts[0])
			require.NoError(t, err)
			for range 10 {
				require.NoError(t, s.do(context.Background(), func(bmc.Session) error {
					if n := busy.Add(1); n > most.Load() {
						most.Store(n)
					}
					defer busy.Add(-1)
					runtime.Gosched()
					return nil
				}))
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, most.Load())
}
