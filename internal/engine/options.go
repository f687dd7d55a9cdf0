package engine

import (
	"fmt"
	"log/slog"
	"net"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/authorization"

	"nightshift/internal/statedir"
)

// Defaults of Options and of the flags that set them.
const (
	DefaultIP        = "127.0.0.1"
	DefaultPort      = 7233
	DefaultUIPort    = 8233
	DefaultNamespace = "default"
	DefaultRetention = 365 * 24 * time.Hour

	// diskWarn is the free space in bytes below which a running engine complains, well before writing fails.
	diskWarn = 4 * statedir.MinFree
	// diskInterval is how often it looks.
	diskInterval = 30 * time.Second
)

// Options of an engine. Only Dir is needed.
type Options struct {
	// Dir is the state directory, locked by this process.
	Dir *statedir.Dir
	// IP to listen on, for Temporal and for its UI; default 127.0.0.1. Neither asks who is there: any other address gives the
	// lab to everyone who reaches it.
	IP string
	// Port of Temporal's frontend, DefaultPort for serve; 0 takes a free one.
	Port int
	// UIPort of the Temporal Web UI, DefaultUIPort for serve; 0 takes a free one, a negative one leaves the UI out.
	UIPort int
	// Namespace that runs live in; default "default".
	Namespace string
	// Retention is how long closed runs are kept; default a year, at least a day. Changed on an existing file, too.
	Retention time.Duration
	// SearchAttributes that runs use. Those that an existing file lacks are added to it; none is ever removed.
	SearchAttributes map[string]enums.IndexedValueType
	// Logger for what goes wrong in the engine; default none. Temporal's own lines come at WARN and above.
	Logger *slog.Logger
	// OnDisk is told when the disk runs full (an error that says so) and when there is space again (nil). It must not block.
	OnDisk func(error)
	// Unsafe makes writing faster by not waiting for the disk: a power cut may then take back what was reported as done.
	// For tests only.
	Unsafe bool

	// For this package's tests.
	free     func(path string) (uint64, error) // default statedir.FreeBytes
	interval time.Duration                     // default diskInterval
	pragmas  map[string]string                 // added to every database connection
	// asked before each call to the frontend; default: everybody may do everything
	authorizer authorization.Authorizer
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == nil || !o.Dir.Locked() {
		return o, fmt.Errorf("start engine: the state directory is not locked by this process")
	}
	if o.IP == "" {
		o.IP = DefaultIP
	}
	if net.ParseIP(o.IP) == nil {
		return o, fmt.Errorf("listen address %q: an IP address is needed, such as 127.0.0.1", o.IP)
	}
	if o.Namespace == "" {
		o.Namespace = DefaultNamespace
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Retention < 24*time.Hour {
		return o, fmt.Errorf("retention %s: at least 24h is needed", o.Retention)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.free == nil {
		o.free = statedir.FreeBytes
	}
	if o.authorizer == nil {
		o.authorizer = authorization.NewNoopAuthorizer()
	}
	if o.interval == 0 {
		o.interval = diskInterval
	}
	return o, nil
}
