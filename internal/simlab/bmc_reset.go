package simlab

import (
	"encoding/json"
	"net/http"
	"slices"
)

// resetTypes are those of an iDRAC7.
func resetTypes() []string {
	return []string{"On", "ForceOff", "ForceRestart", "GracefulShutdown", "PushPowerButton", "Nmi"}
}

// reset is ComputerSystem.Reset. What the system is already is refused with 409, as iDRACs do.
func (b *bmc) reset(w http.ResponseWriter, r *http.Request) {
	var req struct{ ResetType string }
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		fail(w, http.StatusBadRequest, "Base.1.2.MalformedJSON", "The request body submitted was malformed JSON.")
		return
	}
	if !slices.Contains(resetTypes(), req.ResetType) {
		fail(w, http.StatusBadRequest, "Base.1.2.PropertyValueNotInList", "The value "+req.ResetType+" for the property ResetType is not in the list of acceptable values.")
		return
	}
	refused := ""
	b.lab.change(func(t *touched) { refused = b.lab.resetHost(t, b.host, req.ResetType) })
	if refused != "" {
		fail(w, http.StatusConflict, "IDRAC.1.6.PSU501", refused)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// resetHost does it, or says why not.
func (l *Lab) resetHost(t *touched, h *host, reset string) (refused string) {
	isOn := h.power == on || h.power == poweringOn
	switch {
	case reset == "On" && h.power != off:
		return "Server is already powered ON."
	case reset != "On" && reset != "PushPowerButton" && h.power == off:
		return "Server is already powered OFF."
	case reset == "On", reset == "PushPowerButton" && h.power == off:
		l.bootHost(t, h)
	case reset == "ForceOff":
		l.cutPower(t, h)
	case reset == "ForceRestart":
		l.killGuests(t, h)
		l.bootHost(t, h)
	case reset == "Nmi":
		l.panicHost(t, h)
	case isOn: // GracefulShutdown, PushPowerButton: ACPI, which only a running ESXi hears
		l.stopHost(t, h)
	}
	return ""
}
