package redfish

import (
	"cmp"
	"encoding/json"
	"strings"
)

// bootState is where the server stands in its boot, as far as the service tells: BootProgress (DSP0268, ComputerSystem 1.13 and
// later), the maker's own word for it before the standard one; else the PostState of an HPE iLO. Empty: it does not tell. What is
// not of the right type tells nothing.
func (s computerSystem) bootState() string {
	var progress struct{ LastState, OemLastState string }
	if json.Unmarshal(s.BootProgress, &progress) == nil && progress.LastState != "" && progress.LastState != "None" {
		if progress.LastState == "OEM" {
			progress.LastState = ""
		}
		return oneLine(strings.Trim(progress.OemLastState+", "+progress.LastState, ", "))
	}
	type post struct{ PostState string }
	var oem struct{ Hpe, Hp post }
	if json.Unmarshal(s.Oem, &oem) != nil {
		return ""
	}
	return oneLine(cmp.Or(oem.Hpe.PostState, oem.Hp.PostState))
}
