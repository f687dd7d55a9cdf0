package plan

import (
	"encoding/json"
	"time"

	"nightshift/internal/words"
)

// An Offer is a decision that a blocked step leaves to a person: another value of a parameter, for `retry -p PARAM=VALUE`.
type Offer struct {
	Param, Value string
	Why          string // what it is good for
}

// Arg is the offer as one types it.
func (o Offer) Arg() string { return "-p " + o.Param + "=" + o.Value }

// AskTheBMC is the offer of a host that its vCenter may not, or cannot, shut down.
func AskTheBMC() Offer {
	return Offer{"noRights", GracefulBMC, "asks its BMC, where the vCenter may not, or cannot, shut it down"}
}

// Offers are what a retry may change of the step as it is, other than by force. A longer time-out is among them where the step
// begins anew with it: elsewhere to try again is to wait once more.
func (s Step) Offers() []Offer {
	switch s.Action {
	case ShutdownGuest:
		var p ShutdownGuestParams
		if json.Unmarshal(s.Params, &p) == nil && p.Method != SuspendGuest && p.Method != PowerOffGuest {
			return []Offer{{"method", SuspendGuest, "suspends it to disk instead"}}
		}
	case ShutdownHost:
		var p ShutdownHostParams
		if json.Unmarshal(s.Params, &p) == nil && p.Via != ViaBMC && p.NoRights != GracefulBMC {
			return []Offer{AskTheBMC()}
		}
	case SendDataset:
		var p SendParams
		if json.Unmarshal(s.Params, &p) == nil && p.Via != ViaWorker {
			return []Offer{{"via", ViaWorker, "sends it through nightshift's worker, where the hosts do not reach each other"}}
		}
	case StopApplication, StartApplication, RunCommand, RunInGuest:
		var p struct {
			Timeout Duration `json:"timeout"`
		}
		if json.Unmarshal(s.Params, &p) == nil && p.Timeout > 0 {
			return []Offer{{"timeout", words.Written(2 * time.Duration(p.Timeout)), "gives it twice the time"}}
		}
	}
	return nil
}
