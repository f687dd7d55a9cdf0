package simlab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	pbm "github.com/vmware/govmomi/pbm/simulator"
	vapi "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// serveVCenter puts the simulator on the network. It does by hand what simulator.NewServer does, which leaves no room for
// our boundary and panics when a port is taken.
func (l *Lab) serveVCenter(port int) error {
	v, svc := l.vc, l.vc.model.Service
	v.installExtension()
	cert, err := selfSigned("vcenter." + l.spec.Name + ".lab")
	if err != nil {
		return err
	}
	v.cert = cert
	reg := v.model.Map()
	svc.Listen = &url.URL{Scheme: "https", Host: "127.0.0.1", Path: reg.Path, User: url.UserPassword(l.spec.User, v.password)}
	setup := true
	reg.SessionManager().ValidLogin = func(req *types.Login) bool {
		if setup {
			return req.UserName == v.user && req.Password == v.password
		}
		return v.checkLogin(req.UserName, req.Password)
	}
	svc.RegisterSDK(reg, reg.Path+"/vimService")
	svc.RegisterSDK(pbm.New()) // storage policies
	mux := svc.ServeMux
	mux.HandleFunc(reg.Path+"/vimServiceVersions.xml", svc.ServiceVersions)
	patterns, tags := vapi.New(svc.Listen, reg)
	for _, p := range patterns {
		svc.Handle(p, tags)
	}
	if err := l.makeTags(mux, tags); err != nil {
		return err
	}
	mux.HandleFunc("/websso/HealthStatus", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "GREEN") // the caller may be gone
	})
	setup = false
	l.firstVCLS()
	addr, err := l.listen("vcenter", port, &v.cert,
		l.boundary("vcenter", v.identifySOAP, refuseSOAP, soapResult, l.behindProxy(l.stoppable(mux))))
	if err != nil {
		return err
	}
	svc.Listen.Host = addr
	reg.SessionManager().ServiceHostName = addr
	v.url = "https://" + addr + "/sdk"
	return nil
}

// behindProxy answers 503 while the vCenter's service is not up yet: its proxy is earlier.
func (l *Lab) behindProxy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.VCenterUp() {
			http.Error(w, "503 Service Unavailable (Failed to connect to endpoint)", http.StatusServiceUnavailable)
			return
		}
		l.vc.sessions.strip(r)
		next.ServeHTTP(w, r)
	})
}

// stoppable ends a WaitForUpdates whose caller is gone: the simulator would go on waiting for ever.
func (l *Lab) stoppable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		method, this := soapHead(body)
		if !strings.HasPrefix(method, "WaitForUpdates") {
			next.ServeHTTP(w, r)
			return
		}
		done := make(chan struct{})
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			l.cancelWait(r, this, next, done)
		}()
		next.ServeHTTP(w, r)
		close(done)
		<-stopped
	})
}

func (l *Lab) cancelWait(r *http.Request, this types.ManagedObjectReference, next http.Handler, done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-r.Context().Done():
	case <-l.ctx.Done():
	}
	body := fmt.Sprintf(`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><CancelWaitForUpdates xmlns="urn:vim25">`+
		`<_this type=%q>%s</_this></CancelWaitForUpdates></Body></Envelope>`, this.Type, this.Value)
	for {
		// The wait may not have begun yet, so more than once.
		req := httptest.NewRequest(http.MethodPost, "/sdk", strings.NewReader(body))
		for _, c := range r.Cookies() {
			req.AddCookie(c)
		}
		next.ServeHTTP(httptest.NewRecorder(), req)
		select {
		case <-done:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// makeTags makes the tags of the spec's guests through the vAPI, and attaches them.
func (l *Lab) makeTags(mux http.Handler, tags http.Handler) error {
	attach, ok := tags.(interface {
		AttachTag(types.ManagedObjectReference, string) types.BaseMethodFault
	})
	if !ok {
		return fmt.Errorf("simulated lab %s: the simulator's vAPI cannot attach tags", l.spec.Name)
	}
	c := &inProcess{mux: mux, user: l.spec.User, password: l.vc.password}
	if err := c.post("/rest/com/vmware/cis/session", nil, &c.session); err != nil {
		return err
	}
	var category string
	if err := c.post("/rest/com/vmware/cis/tagging/category", map[string]any{"create_spec": map[string]any{
		"name": "Power", "description": "what nightshift does with it", "cardinality": "MULTIPLE", "associable_types": []string{"VirtualMachine"},
	}}, &category); err != nil {
		return err
	}
	ids := map[string]string{}
	names := []string{"StartUp", "KeepOn"}
	for _, g := range l.spec.Guests {
		names = append(names, g.Tags...)
	}
	for _, name := range names {
		if ids[name] != "" {
			continue
		}
		var id string
		if err := c.post("/rest/com/vmware/cis/tagging/tag", map[string]any{"create_spec": map[string]any{
			"name": name, "description": "", "category_id": category,
		}}, &id); err != nil {
			return err
		}
		ids[name] = id
	}
	for _, g := range l.guests {
		for _, name := range g.spec.Tags {
			if f := attach.AttachTag(g.ref, ids[name]); f != nil {
				return fmt.Errorf("simulated lab %s: attach tag %s to %s: %T", l.spec.Name, name, g.spec.Name, f)
			}
		}
	}
	return nil
}

// inProcess calls the vAPI without a network.
type inProcess struct {
	mux                     http.Handler
	user, password, session string
}

func (c *inProcess) post(path string, body, value any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(b))
	req.SetBasicAuth(c.user, c.password)
	req.Header.Set("vmware-api-session-id", c.session)
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	c.mux.ServeHTTP(w, req)
	if w.Code != http.StatusOK {
		return fmt.Errorf("simulated vCenter: POST %s: %d %s", path, w.Code, w.Body)
	}
	return json.Unmarshal(w.Body.Bytes(), &struct {
		Value any `json:"value"`
	}{value})
}
