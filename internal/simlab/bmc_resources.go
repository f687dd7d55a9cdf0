package simlab

import (
	"net/http"
	"strings"
)

func collection(path, kind string, members ...string) http.HandlerFunc {
	links := make([]doc, 0, len(members))
	for _, m := range members {
		links = append(links, link(m))
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, doc{
			"@odata.context": "/redfish/v1/$metadata" + kind, "@odata.id": path, "@odata.type": kind,
			"Name": strings.TrimPrefix(path, "/redfish/v1/"), "Members": links, "Members@odata.count": len(links),
		})
	}
}

func (b *bmc) root(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, doc{
		"@odata.context": "/redfish/v1/$metadata#ServiceRoot.ServiceRoot", "@odata.id": "/redfish/v1", "@odata.type": "#ServiceRoot.v1_3_0.ServiceRoot",
		"Id": "RootService", "Name": "Root Service", "Description": "Root Service", "RedfishVersion": "1.4.0", "Product": "Integrated Dell Remote Access Controller",
		"Systems": link("/redfish/v1/Systems"), "Managers": link("/redfish/v1/Managers"), "Chassis": link("/redfish/v1/Chassis"),
		"SessionService": link("/redfish/v1/SessionService"), "Links": doc{"Sessions": link(b.sessionsAt())},
	})
}

func (b *bmc) sessionService(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, doc{
		"@odata.context": "/redfish/v1/$metadata#SessionService.SessionService", "@odata.id": "/redfish/v1/SessionService",
		"@odata.type": "#SessionService.v1_1_3.SessionService", "Id": "SessionService", "Name": "Session Service",
		"ServiceEnabled": true, "SessionTimeout": 1800, "Sessions": link(b.sessionsAt()),
	})
}

// uuid is the system's UUID as this BMC writes it.
func (b *bmc) uuid() string {
	u := b.host.spec.UUID
	if !b.host.spec.SwappedUUID || len(u) != 36 {
		return u
	}
	swap := func(s string) string {
		var out strings.Builder
		for i := len(s) - 2; i >= 0; i -= 2 {
			out.WriteString(s[i : i+2])
		}
		return out.String()
	}
	return swap(u[0:8]) + "-" + swap(u[9:13]) + "-" + swap(u[14:18]) + u[18:]
}

func (b *bmc) power() (power string) {
	b.lab.read(func() { power = b.host.power })
	return power
}

// bootProgress is where the server stands: a host that does not boot never comes beyond its hardware.
func (b *bmc) bootProgress() (state string) {
	b.lab.read(func() {
		switch h := b.host; {
		case h.running:
			state = "OSRunning"
		case h.power == on || h.power == poweringOn:
			state = "SystemHardwareInitializationComplete"
		default:
			state = "None"
		}
	})
	return state
}

func (b *bmc) getSystem(w http.ResponseWriter, _ *http.Request) {
	s := b.host.spec
	writeJSON(w, http.StatusOK, doc{
		"@odata.context": "/redfish/v1/$metadata#ComputerSystem.ComputerSystem", "@odata.id": systemPath, "@odata.type": "#ComputerSystem.v1_5_0.ComputerSystem",
		"Id": "System.Embedded.1", "Name": "System", "Description": "Computer System which represents a machine (physical or virtual)",
		"SystemType": "Physical", "Manufacturer": s.Vendor, "Model": s.Model, "SerialNumber": s.Serial, "SKU": s.Serial,
		"UUID": b.uuid(), "BiosVersion": "2.9.0", "HostName": s.Name, "PowerState": b.power(), "BootProgress": doc{"LastState": b.bootProgress()}, "AssetTag": "", "IndicatorLED": "Off",
		"Status":           doc{"Health": "OK", "HealthRollup": "OK", "State": "Enabled"},
		"MemorySummary":    doc{"TotalSystemMemoryGiB": s.MemoryGB, "Status": doc{"Health": "OK", "State": "Enabled"}},
		"ProcessorSummary": doc{"Count": 1, "Model": "Intel(R) Xeon(R) CPU E5-2620 0 @ 2.00GHz", "Status": doc{"Health": "OK", "State": "Enabled"}},
		"Links":            doc{"ManagedBy": []doc{link(managerPath)}, "Chassis": []doc{link(chassisPath)}},
		"Actions":          doc{"#ComputerSystem.Reset": b.resetAction()},
	})
}

func (b *bmc) getManager(w http.ResponseWriter, _ *http.Request) {
	t := now()
	writeJSON(w, http.StatusOK, doc{
		"@odata.context": "/redfish/v1/$metadata#Manager.Manager", "@odata.id": managerPath, "@odata.type": "#Manager.v1_3_2.Manager",
		"Id": "iDRAC.Embedded.1", "Name": "Manager", "ManagerType": "BMC", "Model": "12G Modular", "FirmwareVersion": b.host.spec.Firmware,
		"DateTime": t, "DateTimeLocalOffset": t[len(t)-6:], "PowerState": "On", "UUID": derived(0, b.lab.spec.Name, "bmc", b.host.spec.Name).String(),
		"Status": doc{"Health": "OK", "State": "Enabled"}, "Links": doc{"ManagerForServers": []doc{link(systemPath)}},
	})
}

func (b *bmc) getChassis(w http.ResponseWriter, _ *http.Request) {
	s := b.host.spec
	chassis := doc{
		"@odata.context": "/redfish/v1/$metadata#Chassis.Chassis", "@odata.id": chassisPath, "@odata.type": "#Chassis.v1_6_0.Chassis",
		"Id": "System.Embedded.1", "Name": "Computer System Chassis", "ChassisType": "StandAlone", "Manufacturer": s.Vendor, "Model": s.Model,
		"SerialNumber": s.Serial, "SKU": s.Serial, "PowerState": b.power(), "Status": doc{"Health": "OK", "State": "Enabled"},
		"Links": doc{"ComputerSystems": []doc{link(systemPath)}, "ManagedBy": []doc{link(managerPath)}},
	}
	if b.host.spec.Quirks.Newer {
		chassis["EnvironmentMetrics"] = link(environmentPath)
	} else {
		chassis["Power"] = link(powerPath)
	}
	writeJSON(w, http.StatusOK, chassis)
}
