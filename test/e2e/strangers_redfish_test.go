//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A stranger is a Redfish service as others write them: plain http, basic authentication where it has a user at all, no
// sessions, no manager, several systems behind one address, power that follows an order a few looks later.
type stranger struct {
	*httptest.Server
	user, password string

	mu      sync.Mutex
	systems []*strangeSystem
}

// A strangeSystem tells its id, its UUID, and a serial number or none.
type strangeSystem struct {
	id, uuid, serial string
	power            string
	next             string // what power becomes, after as many looks as
	looks            int
	deaf             bool // takes GracefulShutdown, and nothing happens
	resets           []string
}

func newStranger(t *testing.T, user, password string, systems ...*strangeSystem) *stranger {
	s := &stranger{user: user, password: password, systems: systems}
	for _, x := range systems {
		x.power = "On"
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements http.Handler.
func (s *stranger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimRight(r.URL.Path, "/")
	if user, password, _ := r.BasicAuth(); s.user != "" && path != "/redfish/v1" && (user != s.user || password != s.password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="bmc"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	const systems = "/redfish/v1/Systems"
	id, action, _ := strings.Cut(strings.TrimPrefix(path, systems+"/"), "/")
	switch x := s.system(id); {
	case path == "/redfish/v1":
		answerJSON(w, map[string]any{"@odata.id": "/redfish/v1/", "RedfishVersion": "1.5.0", "Systems": map[string]string{"@odata.id": systems}})
	case path == systems:
		var members []map[string]string
		for _, x := range s.systems {
			members = append(members, map[string]string{"@odata.id": systems + "/" + x.id})
		}
		answerJSON(w, map[string]any{"@odata.id": systems, "Members": members})
	case x != nil && action == "" && r.Method == http.MethodGet:
		answerJSON(w, x.look(systems))
	case x != nil && action == "Actions/ComputerSystem.Reset" && r.Method == http.MethodPost:
		x.reset(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *stranger) system(id string) *strangeSystem {
	for _, x := range s.systems {
		if x.id == id {
			return x
		}
	}
	return nil
}

// state is what a person would see, and which resets were received.
func (s *stranger) state(id string) (power string, resets []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.system(id)
	return x.power, append([]string(nil), x.resets...)
}

func (x *strangeSystem) look(systems string) map[string]any {
	if x.next != "" {
		if x.looks--; x.looks <= 0 {
			x.power, x.next = x.next, ""
		}
	}
	at := systems + "/" + x.id
	out := map[string]any{"@odata.id": at, "Id": x.id, "UUID": x.uuid, "PowerState": x.power, "Actions": map[string]any{
		"#ComputerSystem.Reset": map[string]any{"target": at + "/Actions/ComputerSystem.Reset",
			"ResetType@Redfish.AllowableValues": []string{"On", "ForceOff", "GracefulShutdown"}}}}
	if x.serial != "" {
		out["SerialNumber"] = x.serial
	}
	return out
}

func (x *strangeSystem) reset(w http.ResponseWriter, r *http.Request) {
	var body struct{ ResetType string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	x.resets = append(x.resets, body.ResetType)
	switch body.ResetType {
	case "On":
		x.next, x.looks = "On", 3
	case "GracefulShutdown":
		if !x.deaf {
			x.next, x.looks = "Off", 3
		}
	case "ForceOff":
		x.next, x.looks = "Off", 1
	}
	w.WriteHeader(http.StatusNoContent)
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
