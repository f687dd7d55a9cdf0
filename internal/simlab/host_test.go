package simlab

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/schemas"
	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// A plain client of a BMC.
type idrac struct {
	t    *testing.T
	ctx  context.Context
	bmc  BMC
	http *http.Client
}

func (r *rig) idrac(name string) *idrac {
	r.t.Helper()
	b, ok := r.BMC(name)
	require.True(r.t, ok)
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // pinned elsewhere
	r.t.Cleanup(tr.CloseIdleConnections)
	return &idrac{r.t, r.ctx, b, &http.Client{Transport: tr, Timeout: time.Minute}}
}

func (i *idrac) do(method, path string, body any) (int, map[string]any, error) {
	b, err := json.Marshal(body)
	require.NoError(i.t, err)
	req, err := http.NewRequestWithContext(i.ctx, method, i.bmc.URL+path, bytes.NewReader(b))
	require.NoError(i.t, err)
	req.SetBasicAuth(i.bmc.User, i.bmc.Password)
	res, err := i.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { require.NoError(i.t, res.Body.Close()) }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(i.t, err)
	out := map[string]any{}
	if len(raw) > 0 {
		require.NoError(i.t, json.Unmarshal(raw, &out))
	}
	return res.StatusCode, out, nil
}

func (i *idrac) reset(kind string) int {
	status, _, err := i.do(http.MethodPost, resetPath, map[string]string{"ResetType": kind})
	require.NoError(i.t, err)
	return status
}

func (i *idrac) power() string {
	status, body, err := i.do(http.MethodGet, systemPath, nil)
	require.NoError(i.t, err)
	require.Equal(i.t, 200, status)
	return body["PowerState"].(string)
}

func (r *rig) shutdownHost(h *object.HostSystem, force bool) string {
	res, err := methods.ShutdownHost_Task(r.ctx, r.c.Client, &types.ShutdownHost_Task{This: h.Reference(), Force: force})
	if err != nil {
		return r.ends(nil, err)
	}
	return r.ends(object.NewTask(r.c.Client, res.Returnval), nil)
}

func (r *rig) guestsOff(names ...string) {
	r.t.Helper()
	for _, n := range names {
		require.Equal(r.t, "", r.ends(r.guest(n).PowerOff(r.ctx)))
	}
}

// TestAHostGoesDownAndComesBack is the whole way: guests, maintenance mode, shutdown, Off; On, boot, out of maintenance
// mode, guests.
func TestAHostGoesDownAndComesBack(t *testing.T) {
	r := newRig(t, SmallSpec())
	h, b := r.host("esx21"), r.idrac("esx21")
	require.Equal(t, "InvalidState", r.shutdownHost(h, false), "outside of maintenance mode")
	task, err := h.EnterMaintenanceMode(r.ctx, 1, false, nil)
	require.Equal(t, "Timedout", r.ends(task, err), "guests run")
	enter, err := h.EnterMaintenanceMode(r.ctx, 0, false, nil)
	require.NoError(t, err)
	r.guestsOff("dc01", "db01")
	require.NoError(t, enter.Wait(r.ctx))
	r.shows(h.Reference(), "runtime.inMaintenanceMode", true)
	require.Equal(t, "InvalidState", r.ends(r.guest("dc01").PowerOn(r.ctx)))

	require.Equal(t, "", r.shutdownHost(h, false))
	r.shows(h.Reference(), "runtime.connectionState", types.HostSystemConnectionStateNotResponding)
	r.shows(r.guest("dc01").Reference(), "runtime.connectionState", types.VirtualMachineConnectionStateDisconnected)
	r.until("esx21 off", func(l *Lab) bool { return l.Hosts()["esx21"].Power == off })
	require.Equal(t, "Off", b.power())
	require.Equal(t, "HostNotConnected", r.ends(r.guest("dc01").PowerOn(r.ctx)))
	require.Equal(t, 409, b.reset("ForceOff"))

	require.Equal(t, 204, b.reset("On"))
	require.Equal(t, 409, b.reset("On"))
	r.shows(h.Reference(), "runtime.connectionState", types.HostSystemConnectionStateConnected)
	var m mo.HostSystem
	r.props(h.Reference(), &m, "runtime")
	require.True(t, m.Runtime.InMaintenanceMode, "it boots into what it was in")
	task, err = h.ExitMaintenanceMode(r.ctx, 0)
	require.Equal(t, "", r.ends(task, err))
	require.Equal(t, "", r.ends(r.guest("dc01").PowerOn(r.ctx)))
	r.until("dc01 up", func(l *Lab) bool { return l.Guests()["dc01"].Ready })
	require.Equal(t, 0, r.Guests()["dc01"].Crashes)
	require.Equal(t, 2, r.Count("Reset:On", "esx21"))
	require.Equal(t, 1, r.Hosts()["esx21"].Boots)
}

func TestTheBMCShowsTransitions(t *testing.T) {
	r := newRig(t, SmallSpec())
	b := r.idrac("esx21")
	seen := map[string]bool{}
	watch := func(want string) {
		r.until(want, func(l *Lab) bool {
			p := l.Hosts()["esx21"].Power
			seen[p] = true
			return p == want && l.Hosts()["esx21"].Running == (want == on)
		})
	}
	require.Equal(t, 204, b.reset("GracefulShutdown"))
	watch(off)
	require.Equal(t, 1, r.Guests()["dc01"].Crashes, "ACPI does not wait for guests outside of maintenance mode")
	require.Equal(t, 204, b.reset("On"))
	watch(on)
	require.Equal(t, map[string]bool{on: true, off: true, poweringOff: true, poweringOn: true}, seen)
}

func TestHARestartsGuestsOfAHostThatDies(t *testing.T) {
	r := newRig(t, SmallSpec())
	require.Equal(t, 204, r.idrac("esx21").reset("ForceOff"))
	require.Equal(t, "Off", r.idrac("esx21").power())
	require.Equal(t, 1, r.Guests()["dc01"].Crashes)
	r.until("HA restarts dc01", func(l *Lab) bool { g := l.Guests()["dc01"]; return g.Ready && g.Restarts == 1 && g.Host == "esx22" })
	var m mo.HostSystem
	r.props(r.host("esx22").Reference(), &m, "vm")
	require.Contains(t, m.Vm, r.guest("dc01").Reference())
}

func TestWithoutHAGuestsStayDown(t *testing.T) {
	s := SmallSpec()
	s.Clusters[0].HA = false
	r := newRig(t, s)
	require.Equal(t, 204, r.idrac("esx21").reset("ForceRestart"))
	r.until("esx21 back", func(l *Lab) bool { h := l.Hosts()["esx21"]; return h.Boots == 1 && h.Connected && h.Storage })
	require.Equal(t, GuestState{Power: guestOff, Host: "esx21", Crashes: 1}, r.Guests()["dc01"])
	r.shows(r.guest("dc01").Reference(), "runtime.powerState", types.VirtualMachinePowerStatePoweredOff)
}

func TestALostManagementNetworkLooksLikeAHostThatIsDown(t *testing.T) {
	r := newRig(t, SmallSpec())
	restore := r.CutOff("host:esx21", 0)
	h := r.host("esx21")
	r.shows(h.Reference(), "runtime.connectionState", types.HostSystemConnectionStateNotResponding)
	require.Equal(t, guestOn, r.Guests()["dc01"].Power)
	require.Equal(t, "On", r.idrac("esx21").power())
	restore()
	r.shows(h.Reference(), "runtime.connectionState", types.HostSystemConnectionStateConnected)
	r.shows(r.guest("dc01").Reference(), "runtime.connectionState", types.VirtualMachineConnectionStateConnected)
}

func TestABMCRefuses(t *testing.T) {
	r := newRig(t, SmallSpec())
	b := r.idrac("esx21")
	status, body, err := b.do(http.MethodPost, resetPath, map[string]string{"ResetType": "On"})
	require.NoError(t, err)
	require.Equal(t, 409, status)
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	require.Contains(t, string(raw), "PSU501")
	require.Equal(t, 400, b.reset("Bounce"))
	status, _, err = b.do(http.MethodGet, "/redfish/v1/Nothing", nil)
	require.NoError(t, err)
	require.Equal(t, 404, status)
	b.bmc.Password = "wrong"
	status, _, err = b.do(http.MethodGet, systemPath, nil)
	require.NoError(t, err)
	require.Equal(t, 401, status)
	status, _, err = b.do(http.MethodPost, sessionPath, map[string]string{"UserName": "root", "Password": "wrong"})
	require.NoError(t, err)
	require.Equal(t, 401, status)
	require.Equal(t, Logins{Failed: 2}, r.Logins()["bmc:esx21"])
}

func TestABMCHasFewSessions(t *testing.T) {
	r := newRig(t, SmallSpec())
	b := r.idrac("esx21")
	config := gofish.ClientConfig{Endpoint: b.bmc.URL, Username: b.bmc.User, Password: b.bmc.Password, HTTPClient: b.http, NoModifyTransport: true}
	var first *gofish.APIClient
	for range bmcSessions {
		c, err := gofish.ConnectContext(r.ctx, config)
		require.NoError(t, err)
		first = c
	}
	_, err := gofish.ConnectContext(r.ctx, config)
	require.ErrorContains(t, err, "RAC0218")
	sys, err := schemas.GetComputerSystem(first, systemPath)
	require.NoError(t, err)
	require.Equal(t, schemas.OnPowerState, sys.PowerState)
	require.Equal(t, r.Spec().Hosts[0].Serial, sys.SerialNumber)
	require.Equal(t, r.Spec().Hosts[0].UUID, sys.UUID)
	first.Logout()
	require.Equal(t, bmcSessions-1, r.BMCSessions("esx21"))
}
