package redfish

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

const (
	uuid1 = "c7a5fdbd-cdaf-9455-926a-d65c16db1809"
	uuid2 = "58893887-8974-2487-2389-841168418919"
)

func TestSystem(t *testing.T) {
	tests := map[string]struct {
		bmc    *bmc
		system string
		want   live.BMC
	}{
		"idrac7": {idrac7(t), "", live.BMC{Power: live.Off, Serial: "7V54NY1", Model: "PowerEdge R620", Firmware: "2.65.65.65",
			UUID:       "4c4c4544-0056-3510-8034-b7c04f4e5931",
			ResetTypes: []string{"On", "ForceOff", "GracefulRestart", "GracefulShutdown", "PushPowerButton", "Nmi"}}},
		"idrac9 keeps its values in an ActionInfo": {idrac9(t), "", live.BMC{Power: live.Off, Serial: "7V54NY1", Model: "PowerEdge R640",
			Firmware: "2.65.65.65", UUID: "4c4c4544-0056-3510-8034-b7c04f4e5931",
			ResetTypes: []string{"On", "ForceOff", "ForceRestart", "GracefulShutdown"}}},
		"emulator, one of two by path": {emulator(t, uuid1, uuid2), "/redfish/v1/Systems/" + uuid2, live.BMC{Power: live.Off, UUID: uuid2,
			ResetTypes: []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart", "Nmi", "ForceOn"}}},
		"emulator, one of two by id": {emulator(t, uuid1, uuid2), uuid1, live.BMC{Power: live.Off, UUID: uuid1,
			ResetTypes: []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart", "Nmi", "ForceOn"}}},
		"mockup: the SKU is no service tag, the manager is missing": {mockup(t), "", live.BMC{Power: live.On, Serial: "437XR1138R2",
			Model: "3500", UUID: "38947555-7742-3448-3784-823347823834"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := open(t, test.bmc.serve(), test.system).System(t.Context())
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestWhichSystem(t *testing.T) {
	t.Run("several and none named", func(t *testing.T) {
		b := emulator(t, uuid1, uuid2)
		c := open(t, b.serve(), "")
		_, err := c.System(t.Context())
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorContains(t, err, "`system:`")
		require.ErrorContains(t, err, "/redfish/v1/Systems/"+uuid1+", /redfish/v1/Systems/"+uuid2)
		require.ErrorIs(t, c.Reset(t.Context(), "On"), fault.NotDone)
		require.Empty(t, b.seen())
	})
	t.Run("named one is not there", func(t *testing.T) {
		_, err := open(t, emulator(t, uuid1).serve(), "/redfish/v1/Systems/1").System(t.Context())
		require.ErrorIs(t, err, fault.NotFound)
		require.ErrorContains(t, err, "there is no system /redfish/v1/Systems/1; there is: /redfish/v1/Systems/"+uuid1)
	})
	t.Run("named one is no system", func(t *testing.T) {
		b := emulator(t, uuid1)
		b.resources["/redfish/v1/odd"] = `{}`
		_, err := open(t, b.serve(), "/redfish/v1/odd").System(t.Context())
		require.ErrorIs(t, err, fault.Unsupported)
	})
	t.Run("none at all", func(t *testing.T) {
		_, err := open(t, emulator(t).serve(), "").System(t.Context())
		require.ErrorIs(t, err, fault.NotFound)
	})
	t.Run("over two pages", func(t *testing.T) {
		b := emulator(t, uuid1, uuid2)
		b.resources["/redfish/v1/Systems"] = `{"Members": [{"@odata.id": "/redfish/v1/Systems/` + uuid1 + `"}], "Members@odata.nextLink": "/redfish/v1/Systems2"}`
		b.resources["/redfish/v1/Systems2"] = `{"Members": [{"@odata.id": "/redfish/v1/Systems/` + uuid2 + `"}], "Members@odata.nextLink": "/redfish/v1/Systems2"}`
		_, err := open(t, b.serve(), "").System(t.Context())
		require.ErrorContains(t, err, uuid2)
	})
	t.Run("no Systems", func(t *testing.T) {
		b := emulator(t, uuid1)
		b.resources["/redfish/v1"] = `{"@odata.id": "/redfish/v1/", "RedfishVersion": "1.5.0"}`
		_, err := open(t, b.serve(), "").System(t.Context())
		require.ErrorIs(t, err, fault.Unsupported)
	})
}

func TestForbiddenReadIsAboutRights(t *testing.T) {
	b := idrac9(t)
	b.on = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.URL.Path == "/redfish/v1/Systems" {
			refuse(w, http.StatusForbidden, "Base.1.2.InsufficientPrivilege", "There are insufficient privileges.")
			return true
		}
		return false
	}
	_, err := open(t, b.serveTLS(), "").System(t.Context())
	require.ErrorIs(t, err, fault.Permission)
	require.EqualError(t, err, "esx21-oob (https://"+errorHost(err.Error())+"): reading /redfish/v1/Systems: 403 Forbidden "+
		"(Base.1.2.InsufficientPrivilege: There are insufficient privileges.): give its user the right to log in and to control power "+
		"(iDRAC: role Operator or Administrator) (the service advises: Do what the manual says.)")
}
