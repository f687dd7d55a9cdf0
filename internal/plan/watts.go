package plan

import "time"

// A PowerReading is what the servers of a lab took at one moment, as far as their BMCs meter it.
type PowerReading struct {
	At    time.Time `json:"at"`
	Watts float64   `json:"watts"` // of those that are metered, together
	// Hosts are the watts of each that is metered, by its name in the lab file.
	Hosts map[string]float64 `json:"hosts,omitempty"`
	// Unmetered is how many hosts of the lab file told nothing: no BMC, none that meters, or no answer in time.
	Unmetered int `json:"unmetered,omitempty"`
	// Price is that of a kWh in Currency, as the lab file has it; 0: it says none.
	Price    float64 `json:"price,omitempty"`
	Currency string  `json:"currency,omitempty"`
}

// Power is what a run read: before its first step, and when its last one was behind it. Nil where it was not read.
type Power struct {
	Before *PowerReading `json:"before,omitempty"`
	After  *PowerReading `json:"after,omitempty"`
}

// SwitchesHosts tells whether the plan switches hosts on or off: what its run changes can be metered.
func (p Plan) SwitchesHosts() bool {
	for _, s := range p.Steps {
		if s.Action == ShutdownHost || s.Action == PowerOnHost {
			return true
		}
	}
	return false
}
