// Package telemetry makes what a worker does visible to monitoring: Prometheus metrics (those of Temporal's SDK and
// nightshift's own) over HTTP, and OpenTelemetry traces by OTLP. It reads runs and the ledger and changes nothing; a
// collector that cannot read says so in a metric, and never disturbs a run.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"

	"nightshift/internal/inventory"
)

// Options say what is wanted. Without Listen there are no metrics, without Traces no traces.
type Options struct {
	Listen  string // host:port for GET /metrics
	Traces  string // URL of an OTLP/HTTP collector, http://127.0.0.1:4318; "env": where the OTEL_EXPORTER_OTLP_… variables say
	Lab     string
	Version string
	Logger  *slog.Logger
}

// Telemetry is what was switched on. The nil one is all of it switched off.
type Telemetry struct {
	registry *prometheus.Registry
	own      *own
	metrics  *sdkmetric.MeterProvider
	traces   *sdktrace.TracerProvider
	server   *http.Server
	address  string
	log      *slog.Logger
	lab      string
	ctx      context.Context // that outlives Start's: readings and the end need one
}

// How long a scrape may take, and how long Close waits for the last spans.
const (
	scrapeTimeout = 10 * time.Second
	closeTimeout  = 5 * time.Second
)

// Start listens and connects. nil, nil: nothing is wanted.
func Start(ctx context.Context, o Options) (*Telemetry, error) {
	if o.Listen == "" && o.Traces == "" {
		return nil, nil
	}
	t := &Telemetry{log: o.Logger, lab: o.Lab, ctx: context.WithoutCancel(ctx)}
	if o.Traces != "" {
		var err error
		if t.traces, err = newTracer(ctx, o); err != nil {
			return nil, err
		}
	}
	if o.Listen != "" {
		if err := t.listen(ctx, o); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	return t, nil
}

// listen makes the registry and serves it.
func (t *Telemetry) listen(ctx context.Context, o Options) error {
	t.registry = prometheus.NewRegistry()
	exporter, err := otelprom.New(otelprom.WithRegisterer(t.registry), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo())
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	t.metrics = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithView(latencies()))
	t.registry.MustRegister(newBuildInfo(o.Version), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	t.own = newOwn(t.registry, o.Lab)
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("metrics cannot be served on %s: %w", o.Listen, err)
	}
	t.address = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", t.handler())
	t.server = &http.Server{Handler: mux, ReadHeaderTimeout: scrapeTimeout}
	go func() {
		if err := t.server.Serve(l); !errors.Is(err, http.ErrServerClosed) && t.log != nil {
			t.log.Warn("metrics are not served any more", "address", t.address, "error", err)
		}
	}()
	return nil
}

func (t *Telemetry) handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{Timeout: scrapeTimeout, ErrorHandling: promhttp.ContinueOnError})
}

// latencies gives Temporal's latencies buckets for milliseconds.
func latencies() sdkmetric.View {
	return sdkmetric.NewView(sdkmetric.Instrument{Name: "temporal_*latency*"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{
		Boundaries: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60}}})
}

// Address is where metrics are served; empty: nowhere.
func (t *Telemetry) Address() string {
	if t == nil {
		return ""
	}
	return t.address
}

// Client adds what the options of a Temporal client need.
func (t *Telemetry) Client(o *client.Options) {
	if t == nil || t.metrics == nil {
		return
	}
	o.MetricsHandler = handler{MetricsHandler: opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{Meter: t.metrics.Meter("nightshift")}), own: t.own}
}

// Interceptors are those of a worker.
func (t *Telemetry) Interceptors() ([]interceptor.WorkerInterceptor, error) {
	if t == nil || t.traces == nil {
		return nil, nil
	}
	tracing, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{Tracer: t.traces.Tracer("nightshift")})
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return []interceptor.WorkerInterceptor{tracing}, nil
}

// Watch adds the metrics that are read from the lab's runs and ledger, through the client, and from its lab file.
func (t *Telemetry) Watch(c client.Client, namespace string, lab *inventory.Lab) {
	if t == nil || t.registry == nil {
		return
	}
	t.registry.MustRegister(&collector{ctx: t.ctx, read: (&source{client: c, namespace: namespace, lab: t.lab}).read, lab: lab})
}

// Close stops serving, and sends what spans there are.
func (t *Telemetry) Close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, closeTimeout)
	defer cancel()
	var errs []error
	if t.server != nil {
		errs = append(errs, t.server.Close())
	}
	if t.traces != nil {
		if err := t.traces.Shutdown(ctx); err != nil && t.log != nil { // a collector that is away is no failure of ours
			t.log.Warn("the last traces were not sent", "error", err)
		}
	}
	if t.metrics != nil {
		errs = append(errs, t.metrics.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

func newBuildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "nightshift_build_info", Help: "1; the version is in its label.",
		ConstLabels: prometheus.Labels{"version": version}})
	g.Set(1)
	return g
}
