package telemetry

import (
	"context"
	"fmt"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// FromEnvironment as Options.Traces leaves it to the OTEL_EXPORTER_OTLP_… variables where traces go (OpenTelemetry
// specification, "OTLP exporter configuration").
const FromEnvironment = "env"

// newTracer makes spans and sends them in batches: one trace for a run, one span for each attempt of a step.
func newTracer(ctx context.Context, o Options) (*sdktrace.TracerProvider, error) {
	var to []otlptracehttp.Option
	if o.Traces != FromEnvironment {
		u, err := url.Parse(o.Traces)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("traces: %q is neither %q nor a URL such as http://127.0.0.1:4318", o.Traces, FromEnvironment)
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = "/v1/traces"
		}
		to = append(to, otlptracehttp.WithEndpointURL(u.String()))
	}
	exporter, err := otlptracehttp.New(ctx, to...)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "nightshift"), attribute.String("service.version", o.Version), attribute.String("nightshift.lab", o.Lab)))), nil
}
