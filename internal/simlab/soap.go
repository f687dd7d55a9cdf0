package simlab

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/pbm"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// soapHead finds the method of a SOAP call and the object it is sent to, without decoding the rest.
func soapHead(body []byte) (method string, this types.ManagedObjectReference) {
	d := xml.NewDecoder(bytes.NewReader(body))
	inBody := false
	for {
		tok, err := d.Token()
		if err != nil {
			return method, this
		}
		start, ok := tok.(xml.StartElement)
		switch {
		case !ok:
		case start.Name.Local == "Body":
			inBody = true
		case inBody && method == "":
			method = start.Name.Local
		case inBody && start.Name.Local == "_this":
			for _, a := range start.Attr {
				if a.Name.Local == "type" {
					this.Type = a.Value
				}
			}
			if tok, err := d.Token(); err == nil {
				if text, ok := tok.(xml.CharData); ok {
					this.Value = string(text)
				}
			}
			return method, this
		}
	}
}

// readingPrefixes begin the names of methods that change nothing in the lab.
var readingPrefixes = []string{ //nolint:gochecknoglobals // a constant list
	"Retrieve", "Query", "Find", "WaitForUpdates", "CheckForUpdates", "CreateFilter", "DestroyPropertyFilter", "CreateContainerView",
	"CreateListView", "ModifyListView", "DestroyView", "Login", "Logout", "CurrentTime", "CancelWaitForUpdates", "CancelRetrieve",
	"CreatePropertyCollector", "DestroyPropertyCollector", "CreateCollectorFor", "ReadNext", "ReadPrevious", "ResetCollector",
	"RewindCollector", "DestroyCollector", "SetCollectorPageSize", "SessionIsActive", "ContinueRetrieve", "Has", "Fetch",
	"AcquireCloneTicket", "CloneSession", "List",
}

func reads(method string) bool {
	for _, p := range readingPrefixes {
		if strings.HasPrefix(method, p) {
			return true
		}
	}
	return false
}

// identifySOAP names what a request to a vCenter or ESXi asks for.
func (v *view) identifySOAP(r *http.Request, body []byte) request {
	if !strings.HasPrefix(r.URL.Path, "/sdk") && r.URL.Path != pbm.Path {
		return identifyREST(r)
	}
	method, this := soapHead(body)
	target := v.nameOf(this)
	if method == "" || reads(strings.TrimPrefix(method, "Pbm")) {
		return request{calls: []call{{method, target}}}
	}
	m, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		return request{calls: []call{{method, target}}, changes: true}
	}
	return request{calls: v.detail(m, target), changes: true}
}

// detail says of some methods what they change.
func (v *view) detail(m *simulator.Method, target string) []call {
	switch req := m.Body.(type) {
	case *types.ReconfigureComputeResource_Task:
		return []call{{m.Name + clusterChange(req.Spec), target}}
	case *types.UpdateOptions:
		var out []call
		for _, o := range req.ChangedValue {
			opt := o.GetOptionValue()
			out = append(out, call{fmt.Sprintf("%s:%s=%v", m.Name, opt.Key, opt.Value), v.lab.optionTarget(opt.Key, target)})
		}
		return out
	case *types.StartProgramInGuest:
		if spec, ok := req.Spec.(*types.GuestProgramSpec); ok {
			return []call{{m.Name + ":" + spec.ProgramPath, v.nameOf(req.Vm)}}
		}
	case *types.ReconfigVM_Task:
		if on := req.Spec.ChangeTrackingEnabled; on != nil {
			return []call{{fmt.Sprintf("%s:changeTracking=%t", m.Name, *on), target}}
		}
	case *types.CreateSnapshot_Task:
		return []call{{m.Name + ":" + req.Name, target}}
	case *types.PowerOnMultiVM_Task:
		var out []call
		for _, ref := range req.Vm {
			out = append(out, call{m.Name, v.nameOf(ref)})
		}
		return out
	case *types.AddCustomFieldDef:
		return []call{{m.Name + ":" + req.Name, target}}
	case *types.SetField:
		return []call{{m.Name, v.nameOf(req.Entity)}}
	}
	return []call{{m.Name, target}}
}

// optionTarget is the cluster that a vCLS option is about.
func (l *Lab) optionTarget(key, otherwise string) string {
	for _, c := range l.clusters {
		if key == vclsOption(c) {
			return c.spec.Name
		}
	}
	return otherwise
}

func clusterChange(spec types.BaseComputeResourceConfigSpec) string {
	s, ok := spec.(*types.ClusterConfigSpecEx)
	if !ok {
		return ""
	}
	var parts []string
	if d := s.DasConfig; d != nil && d.Enabled != nil {
		parts = append(parts, fmt.Sprintf("ha=%t", *d.Enabled))
	}
	if d := s.DrsConfig; d != nil {
		if d.Enabled != nil {
			parts = append(parts, fmt.Sprintf("drsEnabled=%t", *d.Enabled))
		}
		if d.DefaultVmBehavior != "" {
			parts = append(parts, "drs="+string(d.DefaultVmBehavior))
		}
	}
	if d := s.DpmConfig; d != nil && d.Enabled != nil {
		parts = append(parts, fmt.Sprintf("dpm=%t", *d.Enabled))
	}
	if len(parts) == 0 {
		return ""
	}
	return ":" + strings.Join(parts, ",")
}

// identifyREST names a call of the vAPI (tags, sessions).
func identifyREST(r *http.Request) request {
	path := strings.TrimSuffix(r.URL.Path, "/")
	action := r.URL.Query().Get("~action")
	changes := r.Method != http.MethodGet && !strings.HasSuffix(path, "/session") &&
		!strings.HasPrefix(action, "list") && !strings.HasPrefix(action, "get")
	verb := r.Method + " " + path
	if strings.HasSuffix(path, "/session") && r.Method == http.MethodPost && action == "" {
		verb = "Login"
	}
	return request{calls: []call{{verb, ""}}, changes: changes}
}

var faultType = regexp.MustCompile(`Fault xmlns="[^"]*" xsi:type="([A-Za-z]+)"`)

// soapResult names the outcome of a SOAP call.
func soapResult(status int, body []byte) string {
	if status < http.StatusBadRequest {
		return "ok"
	}
	if m := faultType.FindSubmatch(body); m != nil {
		return string(m[1])
	}
	return fmt.Sprint(status)
}

// refuseSOAP answers with the fault that was injected.
func refuseSOAP(w http.ResponseWriter, f Fault) {
	if f.Status != 0 && f.SOAP == "" {
		http.Error(w, http.StatusText(f.Status), f.Status)
		return
	}
	name := orDefault(f.SOAP, "RuntimeFault")
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, xml.Header+`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`+
		`<soapenv:Body><soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>injected: %[1]s</faultstring><detail>`+
		`<%[1]sFault xmlns="urn:vim25" xsi:type="%[1]s"></%[1]sFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>`, name) // the caller may be gone
}
