package redfish

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
)

const (
	user     = "root"
	password = "calvin-says-no"
)

// bmc is a hand-written Redfish service. Its resources are a map from path to body; it keeps sessions, counts what it
// receives, and lets a test answer a request in its own way.
type bmc struct {
	t         *testing.T
	resources map[string]string
	sessions  string // where sessions are made; empty: there are none
	open      bool   // asks for no login
	max       int    // sessions at a time; 0: any number
	location  string // goes before the path in Location: some send a whole URL

	mu       sync.Mutex
	tokens   map[string]string // path of the session -> token
	logins   int
	logouts  int
	refused  int
	resets   []string
	headers  []http.Header // of the resets
	requests []string
	power    string
	// on answers a request instead of the service where it returns true.
	on func(w http.ResponseWriter, r *http.Request, n int) bool
}

func (b *bmc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, r.Method+" "+r.URL.Path)
	isReset := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/Actions/ComputerSystem.Reset")
	if isReset {
		var body struct{ ResetType string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		b.resets = append(b.resets, body.ResetType)
		b.headers = append(b.headers, r.Header.Clone())
	}
	if b.on != nil && b.on(w, r, len(b.requests)) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/redfish/v1/":
		b.write(w, r.URL.Path)
	case r.Method == http.MethodPost && b.sessions != "" && r.URL.Path == b.sessions:
		b.login(w, r)
	case !b.allowed(r):
		b.refused++
		fault401(w)
	case r.Method == http.MethodDelete && b.tokens[r.URL.Path] != "":
		delete(b.tokens, r.URL.Path)
		b.logouts++
	case isReset:
		if b.power == "On" && b.resets[len(b.resets)-1] == "On" {
			refuse(w, http.StatusConflict, "IDRAC.2.8.PSU501", "Server is already powered ON.")
			return
		}
		b.power = "On"
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet:
		b.write(w, r.URL.Path)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (b *bmc) login(w http.ResponseWriter, r *http.Request) {
	var body struct{ UserName, Password string }
	_ = json.NewDecoder(r.Body).Decode(&body)
	switch {
	case body.UserName != user || body.Password != password:
		b.refused++
		fault401(w)
	case b.max > 0 && len(b.tokens) >= b.max:
		refuse(w, http.StatusServiceUnavailable, "IDRAC.1.6.RAC0218", "The maximum number of user sessions is reached.")
	default:
		b.logins++
		path := fmt.Sprintf("%s/%d", b.sessions, b.logins)
		b.tokens[path] = fmt.Sprintf("token-%d-very-secret", b.logins)
		w.Header().Set("X-Auth-Token", b.tokens[path])
		w.Header().Set("Location", b.location+path)
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"@odata.id": %q}`, path)
	}
}

func (b *bmc) allowed(r *http.Request) bool {
	if b.open {
		return true
	}
	for _, token := range b.tokens {
		if r.Header.Get("X-Auth-Token") == token {
			return true
		}
	}
	u, p, ok := r.BasicAuth()
	return ok && u == user && p == password
}

func (b *bmc) write(w http.ResponseWriter, path string) {
	body, ok := b.resources[strings.TrimSuffix(path, "/")]
	if !ok {
		refuse(w, http.StatusNotFound, "Base.1.2.ResourceMissingAtURI", "The resource at the URI "+path+" was not found.")
		return
	}
	_, _ = io.WriteString(w, strings.ReplaceAll(body, "$POWER", b.power))
}

func fault401(w http.ResponseWriter) {
	refuse(w, http.StatusUnauthorized, "Base.1.2.NoValidSession", "There is no valid session established.")
}

// refuse answers as Redfish has it; MessageArgs holds a number, as some iDRACs send, which gofish's types do not read.
func refuse(w http.ResponseWriter, status int, id, text string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"error": {"code": "Base.1.2.GeneralError", "message": "A general error has occurred. See ExtendedInfo.",
		"@Message.ExtendedInfo": [{"MessageId": %q, "Message": %q, "MessageArgs": [1], "Resolution": "Do what the manual says.", "Severity": "Critical"}]}}`, id, text)
}

func (b *bmc) count(what string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, r := range b.requests {
		if r == what {
			n++
		}
	}
	return n
}

func (b *bmc) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.resets...)
}

func newBMC(t *testing.T, resources map[string]string) *bmc {
	return &bmc{t: t, resources: resources, tokens: map[string]string{}, power: "Off", sessions: "/redfish/v1/SessionService/Sessions"}
}

// serveTLS and serve start the service and say how to reach it.
func (b *bmc) serveTLS() endpoint.Resolved {
	s := httptest.NewTLSServer(b)
	b.t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return b.at(s.URL, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
}

func (b *bmc) serve() endpoint.Resolved {
	s := httptest.NewServer(b)
	b.t.Cleanup(s.Close)
	return b.at(s.URL, nil)
}

func (b *bmc) at(address string, conf *tls.Config) endpoint.Resolved {
	return resolved(b.t, address, conf)
}

func resolved(t *testing.T, address string, conf *tls.Config) endpoint.Resolved {
	u, err := url.Parse(address)
	require.NoError(t, err)
	return endpoint.Resolved{Name: "esx21-oob", URL: u, User: user, Password: inventory.NewSecret(password), TLS: conf}
}

// quick waits for milliseconds where the client waits for seconds. One request may take long: the machine may be busy.
func quick() patience {
	return patience{request: 30 * time.Second, ready: 10 * time.Second, pause: time.Millisecond, logout: 10 * time.Second}
}

func open(t *testing.T, r endpoint.Resolved, system string) *Client {
	c, err := connect(t.Context(), r, system, quick())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close(context.WithoutCancel(t.Context()))) })
	return c
}

// iDRAC7: sessions beside the SessionService, no Actions info, SKU is the service tag, SerialNumber the mainboard's.
func idrac7(t *testing.T) *bmc {
	b := newBMC(t, map[string]string{
		"/redfish/v1": `{"@odata.id": "/redfish/v1", "RedfishVersion": "1.0.2", "Systems": {"@odata.id": "/redfish/v1/Systems"},
			"SessionService": {"@odata.id": "/redfish/v1/SessionService"}, "Links": {"Sessions": {"@odata.id": "/redfish/v1/Sessions"}}}`,
		"/redfish/v1/Systems": `{"Members": [{"@odata.id": "/redfish/v1/Systems/System.Embedded.1"}], "Members@odata.count": 1}`,
		"/redfish/v1/Systems/System.Embedded.1": `{"@odata.id": "/redfish/v1/Systems/System.Embedded.1", "PowerState": "$POWER",
			"UUID": "4C4C4544-0056-3510-8034-B7C04F4E5931", "SKU": "7V54NY1", "SerialNumber": "CN7016334H00CE", "Model": "PowerEdge R620 ",
			"Manufacturer": "Dell Inc.", "BiosVersion": 27, "MemorySummary": "broken",
			"Links": {"ManagedBy": [{"@odata.id": "/redfish/v1/Managers/iDRAC.Embedded.1"}]},
			"Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/System.Embedded.1/Actions/ComputerSystem.Reset",
				"ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulRestart", "GracefulShutdown", "PushPowerButton", "Nmi"]}}}`,
		"/redfish/v1/Managers/iDRAC.Embedded.1": `{"@odata.id": "/redfish/v1/Managers/iDRAC.Embedded.1", "FirmwareVersion": "2.65.65.65"}`,
	})
	b.sessions = "/redfish/v1/Sessions"
	return b
}

// iDRAC9: Location is a whole URL, ETags on everything, 412 to a POST with If-Match, the values in an ActionInfo.
func idrac9(t *testing.T) *bmc {
	b := idrac7(t)
	b.sessions, b.location = "/redfish/v1/SessionService/Sessions", "https://idrac-7V54NY1.local"
	b.resources["/redfish/v1"] = `{"@odata.id": "/redfish/v1", "RedfishVersion": "1.17.0", "Systems": {"@odata.id": "/redfish/v1/Systems"},
		"Links": {"Sessions": {"@odata.id": "/redfish/v1/SessionService/Sessions"}}}`
	b.resources["/redfish/v1/Systems/System.Embedded.1"] = `{"@odata.id": "/redfish/v1/Systems/System.Embedded.1", "@odata.etag": "W/\"gen-1\"",
		"PowerState": "$POWER", "UUID": "4c4c4544-0056-3510-8034-b7c04f4e5931", "SKU": "7V54NY1", "SerialNumber": "CNIVC0099", "Model": "PowerEdge R640",
		"Manufacturer": "Dell Inc.", "Links": {"ManagedBy": [{"@odata.id": "/redfish/v1/Managers/iDRAC.Embedded.1"}]},
		"Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/System.Embedded.1/Actions/ComputerSystem.Reset",
			"@Redfish.ActionInfo": "/redfish/v1/Systems/System.Embedded.1/ResetActionInfo"}}}`
	b.resources["/redfish/v1/Systems/System.Embedded.1/ResetActionInfo"] = `{"@odata.id": "/redfish/v1/Systems/System.Embedded.1/ResetActionInfo",
		"Parameters": [{"Name": "ResetType", "Required": true, "AllowableValues": ["On", "ForceOff", "ForceRestart", "GracefulShutdown"]}]}`
	b.on = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.Header.Get("If-Match") != "" {
			refuse(w, http.StatusPreconditionFailed, "IDRAC.2.8.SYS446", "Precondition failed.")
			return true
		}
		return false
	}
	return b
}

// emulator is shaped like sushy-tools: no sessions, systems by UUID, no manager, plain http.
func emulator(t *testing.T, uuids ...string) *bmc {
	resources := map[string]string{
		"/redfish/v1": `{"@odata.id": "/redfish/v1/", "RedfishVersion": "1.5.0", "Systems": {"@odata.id": "/redfish/v1/Systems"}}`,
	}
	var members []string
	for _, id := range uuids {
		path := "/redfish/v1/Systems/" + id
		members = append(members, fmt.Sprintf(`{"@odata.id": %q}`, path))
		resources[path] = fmt.Sprintf(`{"@odata.id": %[1]q, "PowerState": "$POWER", "UUID": %[2]q, "SerialNumber": null, "Manufacturer": "Sushy Emulator",
			"Links": {"ManagedBy": []}, "Actions": {"#ComputerSystem.Reset": {"target": "%[1]s/Actions/ComputerSystem.Reset",
			"ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulShutdown", "ForceRestart", "Nmi", "ForceOn"]}}}`, path, id)
	}
	resources["/redfish/v1/Systems"] = fmt.Sprintf(`{"Members": [%s]}`, strings.Join(members, ","))
	b := newBMC(t, resources)
	b.sessions = ""
	return b
}

// mockup is shaped like DMTF's mockup server with a minimal mockup: trailing slashes, no login, no AllowableValues.
func mockup(t *testing.T) *bmc {
	b := newBMC(t, map[string]string{
		"/redfish/v1":         `{"@odata.id": "/redfish/v1/", "RedfishVersion": "1.6.0", "Systems": {"@odata.id": "/redfish/v1/Systems/"}, "Links": {}}`,
		"/redfish/v1/Systems": `{"Members": [{"@odata.id": "http://mockup.example/redfish/v1/Systems/437XR1138R2/"}]}`,
		"/redfish/v1/Systems/437XR1138R2": `{"@odata.id": "/redfish/v1/Systems/437XR1138R2/", "PowerState": "On", "UUID": "38947555-7742-3448-3784-823347823834",
			"SerialNumber": "437XR1138R2", "SKU": "8675309", "Manufacturer": "Contoso", "Model": "3500",
			"Links": {"ManagedBy": [{"@odata.id": "/redfish/v1/Managers/BMC/"}]},
			"Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/437XR1138R2/Actions/ComputerSystem.Reset"}}}`,
	})
	b.sessions, b.open, b.power = "", true, "On"
	return b
}
