package inventory

import "regexp"

// A Monitoring is something that watches the lab, and is asked to be quiet while a run works on it. Asking twice must do no
// more than asking once.
type Monitoring struct {
	Name    string `json:"name"`
	Silence Hook   `json:"silence"`
	Resume  Hook   `json:"resume"`
	// Secrets take the place of ${NAME} in the URL, the headers and the body; a command finds them in its environment.
	Secrets map[string]SecretRef `json:"secrets,omitempty"`
}

// A Hook is an HTTP request, or a command. Exactly one of URL and Run is set.
type Hook struct {
	URL     string            `json:"url,omitempty"`                                                                    // https://host/path; a status below 300 is a yes
	Method  string            `json:"method,omitempty" jsonschema:"enum=GET,enum=POST,enum=PUT,enum=PATCH,enum=DELETE"` // default POST
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty" lines:"true"`
	TLS     TLS               `json:"tls,omitempty"`
	// Insecure allows http:// in URL, and only that.
	Insecure bool `json:"insecure,omitempty"`
	// Run is a command as the list of its words, without a shell; exit status 0 is a yes.
	Run []string `json:"run,omitempty"`
	// At is the machine where the command runs, over SSH. Default: the one where nightshift's worker runs.
	At *SSH `json:"at,omitempty"`
}

// When runs silence monitoring and alarms.
const (
	SilenceScheduled = "scheduled" // those that a schedule begins; the default
	SilenceAlways    = "always"
	SilenceNever     = "never"
)

// Silences tells whether runs of a runbook silence monitoring.
func (l *Lab) Silences(runbook string, scheduled bool) bool {
	switch l.Runbooks[runbook].Silence {
	case SilenceAlways:
		return true
	case SilenceNever:
		return false
	}
	return scheduled
}

// MonitoringHook finds one by its name.
func (l *Lab) MonitoringHook(name string) (*Monitoring, bool) {
	return find(l.Monitoring, func(m *Monitoring) bool { return m.Name == name })
}

// SecretName is how a secret stands in a URL, a header or a body.
var SecretName = regexp.MustCompile(`\$\{([^{}]*)\}`)
