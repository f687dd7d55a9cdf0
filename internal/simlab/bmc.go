package simlab

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// bmcSessions is how many sessions a BMC has.
const bmcSessions = 8

const (
	systemPath  = "/redfish/v1/Systems/System.Embedded.1"
	managerPath = "/redfish/v1/Managers/iDRAC.Embedded.1"
	chassisPath = "/redfish/v1/Chassis/System.Embedded.1"
	resetPath   = systemPath + "/Actions/ComputerSystem.Reset"
	sessionPath = "/redfish/v1/Sessions"
)

// A bmc is the management controller of one host: Redfish (DSP0266) as an iDRAC7 speaks it.
type bmc struct {
	lab            *Lab
	host           *host
	system         string // "bmc:HOST"
	user, password string
	cert           tls.Certificate
	addr           string

	mu       sync.Mutex
	sessions map[string]string // token to id
	nextID   int
	asked    int // requests so far
}

func (l *Lab) startBMC(h *host, port int) error {
	b := &bmc{
		lab: l, host: h, system: "bmc:" + h.spec.Name, user: l.spec.BMCUser, password: newPassword(h.spec.Name),
		sessions: map[string]string{},
	}
	var err error
	certificate := selfSigned
	if h.spec.Quirks.LegacyTLS {
		certificate = oldCertificate
	}
	if b.cert, err = certificate(h.spec.Name + "-oob"); err != nil {
		return err
	}
	b.addr, err = l.listen(b.system, port, &b.cert, l.boundary(b.system, b.identify, b.refuse, redfishResult, b.routes()))
	l.bmcs[h.spec.Name] = b
	return err
}

func (b *bmc) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /redfish/v1", b.root)
	mux.HandleFunc("GET /redfish/v1/{$}", b.root)
	mux.HandleFunc("GET /redfish", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, doc{"v1": "/redfish/v1/"})
	})
	mux.HandleFunc("POST "+sessionPath, b.login)
	guarded := map[string]http.HandlerFunc{
		"DELETE " + sessionPath + "/{id}": b.logout,
		"GET " + sessionPath:              b.listSessions,
		"GET " + sessionPath + "/{id}":    b.getSession,
		"GET /redfish/v1/SessionService":  b.sessionService,
		"GET /redfish/v1/Systems":         collection("/redfish/v1/Systems", "#ComputerSystemCollection.ComputerSystemCollection", systemPath),
		"GET " + systemPath:               b.getSystem,
		"POST " + resetPath:               b.reset,
		"GET " + actionInfoPath:           b.actionInfo,
		"GET /redfish/v1/Managers":        collection("/redfish/v1/Managers", "#ManagerCollection.ManagerCollection", managerPath),
		"GET " + managerPath:              b.getManager,
		"GET /redfish/v1/Chassis":         collection("/redfish/v1/Chassis", "#ChassisCollection.ChassisCollection", chassisPath),
		"GET " + chassisPath:              b.getChassis,
		"GET " + powerPath:                b.getPower,
		"GET " + environmentPath:          b.getEnvironment,
		"/":                               b.notFound,
	}
	for pattern, handler := range guarded {
		mux.HandleFunc(pattern, b.authenticated(handler))
	}
	return b.quirky(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("OData-Version", "4.0")
		if p := strings.TrimSuffix(r.URL.Path, "/"); p != "" && p != "/redfish/v1" {
			r.URL.Path = p
		}
		mux.ServeHTTP(w, r)
	}))
}

// identify names what a request asks for.
func (b *bmc) identify(r *http.Request, body []byte) request {
	path := strings.TrimSuffix(r.URL.Path, "/")
	name := b.host.spec.Name
	switch {
	case path == resetPath:
		var req struct{ ResetType string }
		_ = json.Unmarshal(body, &req) // what is no JSON has no type, and is refused below
		return request{calls: []call{{"Reset:" + req.ResetType, name}}, changes: true}
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/Sessions"):
		return request{calls: []call{{"Login", name}}}
	case r.Method == http.MethodGet, r.Method == http.MethodHead, strings.Contains(path, "/Sessions"):
		return request{calls: []call{{r.Method + " " + path, name}}}
	}
	return request{calls: []call{{r.Method + " " + path, name}}, changes: true}
}

func (b *bmc) refuse(w http.ResponseWriter, f Fault) {
	status := orDefault(f.Status, http.StatusServiceUnavailable)
	fail(w, status, "IDRAC.1.6.SYS518", "iDRAC is currently unable to display any information because the data sources are unavailable.")
}

func redfishResult(status int, _ []byte) string {
	if status < http.StatusBadRequest {
		return "ok"
	}
	return fmt.Sprint(status)
}

type doc map[string]any

func link(path string) doc { return doc{"@odata.id": path} }

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may be gone
}

// fail answers with an error body as DSP0266 has it.
func fail(w http.ResponseWriter, status int, id, message string) {
	writeJSON(w, status, doc{"error": doc{
		"code": "Base.1.2.GeneralError", "message": "A general error has occurred. See ExtendedInfo for more information",
		"@Message.ExtendedInfo": []doc{{
			"MessageId": id, "Message": message, "MessageArgs": []string{}, "Severity": "Warning",
			"RelatedProperties": []string{}, "Resolution": "See the message registry.",
		}},
	}})
}

func (b *bmc) notFound(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fail(w, http.StatusMethodNotAllowed, "IDRAC.1.6.SYS402", "Unable to complete the operation because the HTTP method is not allowed.")
		return
	}
	fail(w, http.StatusNotFound, "IDRAC.1.6.SYS403", "Unable to complete the operation because the resource "+r.URL.Path+" entered in not found.")
}

// authenticated lets a request through that carries a session's token or the right user and password.
func (b *bmc) authenticated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := r.Header.Get("X-Auth-Token")
		b.mu.Lock()
		_, ok := b.sessions[token]
		b.mu.Unlock()
		if user, password, basic := r.BasicAuth(); !ok && basic {
			ok = user == b.user && password == b.password
			if !ok {
				b.lab.rec.login(b.system, false)
			}
		}
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="RedfishService"`)
			fail(w, http.StatusUnauthorized, "Base.1.2.AccessDenied", "The authentication credentials included with this request are missing or invalid.")
			return
		}
		next(w, r)
	}
}

func (b *bmc) login(w http.ResponseWriter, r *http.Request) {
	var req struct{ UserName, Password string }
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		fail(w, http.StatusBadRequest, "Base.1.2.MalformedJSON", "The request body submitted was malformed JSON.")
		return
	}
	if req.UserName != b.user || req.Password != b.password {
		b.lab.rec.login(b.system, false)
		fail(w, http.StatusUnauthorized, "IDRAC.1.6.RAC0212", "Login failed. Verify that username and password is correct.")
		return
	}
	b.mu.Lock()
	if len(b.sessions) >= b.maxSessions() {
		b.mu.Unlock()
		fail(w, http.StatusServiceUnavailable, "IDRAC.1.6.RAC0218", "The maximum number of user sessions is reached.")
		return
	}
	b.nextID++
	id, token := fmt.Sprint(b.nextID), newPassword("token")
	b.sessions[token] = id
	b.mu.Unlock()
	b.lab.rec.login(b.system, true)
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", b.sessionsAt()+"/"+id)
	writeJSON(w, http.StatusCreated, sessionObject(id, b.user))
}

func sessionObject(id, user string) doc {
	return doc{
		"@odata.context": "/redfish/v1/$metadata#Session.Session", "@odata.id": sessionPath + "/" + id, "@odata.type": "#Session.v1_0_2.Session",
		"Id": id, "Name": "User Session", "Description": "User Session", "UserName": user,
	}
}

func (b *bmc) logout(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for token, id := range b.sessions {
		if id == r.PathValue("id") {
			delete(b.sessions, token)
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	b.notFound(w, r)
}

func (b *bmc) getSession(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range b.sessions {
		if id == r.PathValue("id") {
			writeJSON(w, http.StatusOK, sessionObject(id, b.user))
			return
		}
	}
	b.notFound(w, r)
}

func (b *bmc) listSessions(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	var ids []string
	for _, id := range b.sessions {
		ids = append(ids, sessionPath+"/"+id)
	}
	b.mu.Unlock()
	collection(sessionPath, "#SessionCollection.SessionCollection", ids...)(w, r)
}

// BMCSessions says how many sessions are open at a host's BMC.
func (l *Lab) BMCSessions(hostName string) int {
	b := l.bmcs[hostName]
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sessions)
}

func now() string { return time.Now().Format("2006-01-02T15:04:05-07:00") }
