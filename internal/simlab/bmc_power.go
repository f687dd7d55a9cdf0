package simlab

import (
	"hash/fnv"
	"net/http"
)

const (
	powerPath       = chassisPath + "/Power"
	environmentPath = chassisPath + "/EnvironmentMetrics"
)

// watts is what a server takes: some 150 to 250 W at work, by its make, and some 10 W for its BMC while it is off. Always the
// same, so that what a night saves can be told beforehand.
func (h *host) watts() int {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(h.spec.Model + "/" + h.spec.Name)) // a hash takes everything
	n := int(sum.Sum32() % 1000)
	if h.power == off {
		return 8 + n%5
	}
	return 150 + n%101
}

// Watts is what a host takes just now, as its BMC meters it.
func (l *Lab) Watts(hostName string) (watts int) {
	l.read(func() {
		for _, h := range l.hosts {
			if h.spec.Name == hostName {
				watts = h.watts()
			}
		}
	})
	return watts
}

func (b *bmc) metered() (watts int) {
	b.lab.read(func() { watts = b.host.watts() })
	return watts
}

// getPower answers as an iDRAC with late firmware does (Power v1.4).
func (b *bmc) getPower(w http.ResponseWriter, r *http.Request) {
	if b.host.spec.Quirks.Newer {
		b.notFound(w, r)
		return
	}
	watts := b.metered()
	writeJSON(w, http.StatusOK, doc{
		"@odata.context": "/redfish/v1/$metadata#Power.Power", "@odata.id": powerPath, "@odata.type": "#Power.v1_4_0.Power",
		"Id": "Power", "Name": "Power", "Description": "Power",
		"PowerControl": []doc{{
			"@odata.id": powerPath + "/PowerControl", "@odata.type": "#Power.v1_4_0.PowerControl", "MemberId": "PowerControl",
			"Name": "System Power Control", "PowerAllocatedWatts": 750, "PowerAvailableWatts": 0, "PowerCapacityWatts": 828,
			"PowerConsumedWatts": watts, "PowerRequestedWatts": 480,
			"PowerLimit":      doc{"CorrectionInMs": 0, "LimitException": "HardPowerOff", "LimitInWatts": nil},
			"PowerMetrics":    doc{"AverageConsumedWatts": watts, "IntervalInMin": 1, "MaxConsumedWatts": watts + 60, "MinConsumedWatts": watts},
			"RelatedItem":     []doc{link(chassisPath), link(systemPath)},
			"PhysicalContext": "Chassis",
		}},
		"PowerSupplies": []doc{}, "PowerSupplies@odata.count": 0, "Redundancy": []doc{}, "Voltages": []doc{}, "Voltages@odata.count": 0,
	})
}

// getEnvironment answers as services without Power do (EnvironmentMetrics v1.0, 2020.4).
func (b *bmc) getEnvironment(w http.ResponseWriter, r *http.Request) {
	if !b.host.spec.Quirks.Newer {
		b.notFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, doc{
		"@odata.context": "/redfish/v1/$metadata#EnvironmentMetrics.EnvironmentMetrics", "@odata.id": environmentPath,
		"@odata.type": "#EnvironmentMetrics.v1_3_0.EnvironmentMetrics", "Id": "EnvironmentMetrics", "Name": "Chassis Environment Metrics",
		"PowerWatts": doc{"DataSourceUri": chassisPath + "/Sensors/PowerWatts", "Reading": b.metered()},
	})
}
