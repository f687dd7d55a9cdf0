package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"nightshift/internal/statedir"
)

// temporalOptions are the flags that name a Temporal other than the embedded one.
type temporalOptions struct {
	address, namespace, ui string
	tls                    bool
	tlsCA, tlsCert, tlsKey string
	tlsServerName          string
}

func (o *temporalOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.address, "temporal-address", "", "`host:port` of a Temporal service, instead of the engine that serve runs ($TEMPORAL_ADDRESS)")
	f.StringVar(&o.namespace, "namespace", "", "Temporal namespace ($TEMPORAL_NAMESPACE)")
	f.StringVar(&o.ui, "temporal-ui", "", "`URL` of the Temporal UI, for links ($NIGHTSHIFT_UI)")
	f.BoolVar(&o.tls, "temporal-tls", false, "connect by TLS ($TEMPORAL_TLS)")
	f.StringVar(&o.tlsCA, "temporal-tls-ca", "", "PEM `file` with the CA of the Temporal service")
	f.StringVar(&o.tlsCert, "temporal-tls-cert", "", "PEM `file` with our certificate")
	f.StringVar(&o.tlsKey, "temporal-tls-key", "", "PEM `file` with its key")
	f.StringVar(&o.tlsServerName, "temporal-tls-server-name", "", "`name` in the certificate of the Temporal service")
}

// where says how to reach the Temporal service of a lab.
type where struct {
	Options client.Options
	UI      string // base URL of the Temporal UI; empty: not known
	Lab     string // the lab that is served there, where the address file told so
	LabFile string // and its file
	// Source is where the address came from, for messages: "--temporal-address", "$TEMPORAL_ADDRESS", a file's path.
	Source string
	// Simulated is set where the engine serves the simulated lab of `serve --simulate`.
	Simulated bool
	Speed     float64 // how much faster than a real one the simulated lab is; 0: it is a real one, as far as is known
}

// errNothingRuns is for when no address is found. There is no default port: whatever listens there might be anything.
var errNothingRuns = errors.New("no nightshift is running: start `nightshift serve` (or name a Temporal service with --temporal-address)")

// resolve finds the Temporal service: flags, then environment, then the address that serve wrote to the state directory.
func (a *app) resolve() (where, error) {
	w, found, err := a.external()
	if err != nil || found {
		return w, err
	}
	return a.embedded()
}

// external is a Temporal service named by flags or environment.
func (a *app) external() (where, bool, error) {
	o := a.global.temporal
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{
		// A profile file counts only where the environment names it: one that lies in a home directory is for other tools.
		DisableFile: a.getenv("TEMPORAL_CONFIG_FILE") == "" && a.getenv("TEMPORAL_PROFILE") == "",
		EnvLookup:   a.env,
	})
	if err != nil {
		return where{}, false, fmt.Errorf("the TEMPORAL_* environment cannot be used: %w", err)
	}
	w := where{UI: strings.TrimSuffix(cmp.Or(o.ui, a.getenv("NIGHTSHIFT_UI")), "/"), Source: "the environment (TEMPORAL_ADDRESS)"}
	if o.address != "" {
		profile.Address, w.Source = o.address, "--temporal-address"
	}
	if profile.Address == "" {
		if o.usesTLS() {
			return where{}, false, usage("--temporal-tls… without --temporal-address: there is nothing to connect to by TLS")
		}
		return where{}, false, nil
	}
	if _, _, err := net.SplitHostPort(profile.Address); err != nil {
		return where{}, false, usage("%s: %q is not HOST:PORT", w.Source, profile.Address)
	}
	profile.Namespace = cmp.Or(o.namespace, profile.Namespace, client.DefaultNamespace)
	o.overTLS(&profile)
	w.Options, err = profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return where{}, false, fmt.Errorf("the settings for the Temporal service at %s cannot be used: %w", profile.Address, err)
	}
	return w, true, nil
}

func (o *temporalOptions) usesTLS() bool {
	return o.tls || o.tlsCA != "" || o.tlsCert != "" || o.tlsKey != "" || o.tlsServerName != ""
}

// overTLS lays the flags over what the environment says.
func (o *temporalOptions) overTLS(p *envconfig.ClientConfigProfile) {
	if !o.usesTLS() {
		return
	}
	if p.TLS == nil {
		p.TLS = &envconfig.ClientConfigTLS{}
	}
	p.TLS.Disabled = false
	for _, s := range []struct {
		to   *string
		from string
	}{
		{&p.TLS.ServerCACertPath, o.tlsCA}, {&p.TLS.ClientCertPath, o.tlsCert},
		{&p.TLS.ClientKeyPath, o.tlsKey}, {&p.TLS.ServerName, o.tlsServerName},
	} {
		if s.from != "" {
			*s.to = s.from
		}
	}
}

// embedded is the engine of a serve in the state directory, or of a serve --simulate below it.
func (a *app) embedded() (where, error) {
	dir, err := a.stateDir()
	if err != nil {
		return where{}, err
	}
	addr, err := statedir.ReadAddress(dir)
	simulated := false
	if errors.Is(err, statedir.ErrNoServer) {
		if sim, simErr := statedir.ReadAddress(simulatedDir(dir)); simErr == nil {
			dir, addr, err, simulated = simulatedDir(dir), sim, nil, true
		}
	}
	var stale *statedir.StaleError
	switch {
	case errors.As(err, &stale):
		return where{}, err
	case errors.Is(err, statedir.ErrNoServer):
		hint := ""
		if _, err := os.Stat(statedir.Service); err == nil && dir != statedir.Service {
			hint = "; one that was installed as a service is asked as its user: sudo -u nightshift nightshift …"
		}
		return where{}, fmt.Errorf("%w; looked in the state directory %s%s", errNothingRuns, dir, hint)
	case err != nil:
		return where{}, err
	}
	o := a.global.temporal
	return where{
		Options:   client.Options{HostPort: addr.Temporal, Namespace: cmp.Or(o.namespace, addr.Namespace)},
		UI:        strings.TrimSuffix(cmp.Or(o.ui, addr.UI), "/"),
		Lab:       addr.Lab,
		Source:    dir,
		Simulated: simulated, LabFile: addr.LabFile, Speed: addr.Speed,
	}, nil
}
