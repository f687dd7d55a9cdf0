package simlab

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// A rig is a lab and a plain govmomi client that is logged in.
type rig struct {
	*Lab
	t    *testing.T
	ctx  context.Context
	c    *govmomi.Client
	find *find.Finder
}

const testSpeed = 600

func newRig(t *testing.T, spec Spec) *rig {
	t.Helper()
	return newRigAt(t, spec, testSpeed)
}

func newRigAt(t *testing.T, spec Spec, speed float64) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	l, err := Start(context.Background(), Config{Spec: spec, Speed: speed})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	c, err := login(ctx, l, l.Spec().User, l.VCenterPassword())
	require.NoError(t, err)
	return &rig{l, t, ctx, c, find.NewFinder(c.Client)}
}

// login trusts the certificate by its fingerprint, as everybody has to.
func login(ctx context.Context, l *Lab, user, password string) (*govmomi.Client, error) {
	u, err := url.Parse(l.VCenterURL())
	if err != nil {
		return nil, err
	}
	sc := soap.NewClient(u, true)
	sc.DefaultTransport().TLSClientConfig.VerifyConnection = func(s tls.ConnectionState) error {
		sum := sha256.Sum256(s.PeerCertificates[0].Raw)
		if !strings.EqualFold(hex.EncodeToString(sum[:]), strings.ReplaceAll(l.VCenterFingerprint(), ":", "")) {
			return errors.New("another certificate")
		}
		return nil
	}
	vc, err := vim25.NewClient(ctx, sc)
	if err != nil {
		return nil, err
	}
	c := &govmomi.Client{Client: vc, SessionManager: session.NewManager(vc)}
	return c, c.Login(ctx, url.UserPassword(user, password))
}

func (r *rig) guest(name string) *object.VirtualMachine {
	r.t.Helper()
	vm, err := r.find.VirtualMachine(r.ctx, name)
	require.NoError(r.t, err)
	return vm
}

func (r *rig) host(name string) *object.HostSystem {
	r.t.Helper()
	h, err := r.find.HostSystem(r.ctx, "*/"+name)
	require.NoError(r.t, err)
	return h
}

func (r *rig) props(ref types.ManagedObjectReference, dst any, names ...string) {
	r.t.Helper()
	require.NoError(r.t, property.DefaultCollector(r.c.Client).RetrieveOne(r.ctx, ref, names, dst))
}

func (r *rig) until(what string, cond func(*Lab) bool) {
	r.t.Helper()
	require.NoError(r.t, r.WaitFor(r.ctx, cond), what)
}

func (r *rig) shows(ref types.ManagedObjectReference, path string, want any) {
	r.t.Helper()
	err := property.Wait(r.ctx, property.DefaultCollector(r.c.Client), ref, []string{path}, func(pc []types.PropertyChange) bool {
		for _, p := range pc {
			if p.Val == want {
				return true
			}
		}
		return false
	})
	require.NoError(r.t, err, "%s of %s never became %v", path, ref.Value, want)
}

func TestTheSmallLabIsThere(t *testing.T) {
	r := newRig(t, SmallSpec())
	list, err := r.find.VirtualMachineList(r.ctx, "*")
	require.NoError(t, err)
	require.Len(t, list, 6, "four guests and two vCLS VMs")
	uuids := map[string]bool{}
	for _, vm := range list {
		var m mo.VirtualMachine
		r.props(vm.Reference(), &m, "config.instanceUuid", "config.uuid", "runtime.powerState")
		uuids[m.Config.InstanceUuid], uuids[m.Config.Uuid] = true, true
	}
	require.Len(t, uuids, 12, "no UUID twice")
	var h mo.HostSystem
	r.props(r.host("esx21").Reference(), &h, "hardware.systemInfo", "runtime", "summary.hardware")
	require.Equal(t, "PowerEdge R620", h.Hardware.SystemInfo.Model)
	require.Equal(t, r.Spec().Hosts[0].UUID, h.Summary.Hardware.Uuid)
	require.Equal(t, 2, r.VCLSCount())
	require.Empty(t, r.Calls())
}

func TestAWrongPasswordIsRefusedAndCounted(t *testing.T) {
	r := newRig(t, SmallSpec())
	_, err := login(r.ctx, r.Lab, r.Spec().User, "wrong")
	require.Error(t, err)
	require.True(t, soap.IsSoapFault(err))
	require.IsType(t, types.InvalidLogin{}, soap.ToSoapFault(err).VimFault())
	require.Equal(t, Logins{OK: 1, Failed: 1}, r.Logins()["vcenter"])
	_, err = login(r.ctx, r.Lab, r.Spec().User, r.VCenterPassword())
	require.NoError(t, err)
}

// ends waits for a task and says which fault it ended with; "" is success.
func (r *rig) ends(task *object.Task, err error) string {
	r.t.Helper()
	if err != nil {
		require.True(r.t, soap.IsSoapFault(err), "%v", err)
		return strings.TrimPrefix(strings.TrimPrefix(typeName(soap.ToSoapFault(err).VimFault()), "*"), "types.")
	}
	if err = task.Wait(r.ctx); err == nil {
		return ""
	}
	var te interface{ Fault() types.BaseMethodFault }
	require.ErrorAs(r.t, err, &te)
	return strings.TrimPrefix(strings.TrimPrefix(typeName(te.Fault()), "*"), "types.")
}
