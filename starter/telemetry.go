package main

import (
	"context"
	"log/slog"

	"github.com/spf13/pflag"

	"nightshift/worker/telemetry"
)

// telemetryOptions are what serve and worker tell monitoring.
type telemetryOptions struct{ metrics, traces string }

func (o *telemetryOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics on `HOST:PORT`, as 127.0.0.1:9464 (path /metrics)")
	f.StringVar(&o.traces, "traces", "", "send OpenTelemetry traces to the OTLP/HTTP collector at `URL`; \"env\": where OTEL_EXPORTER_OTLP_ENDPOINT says")
}

func (o telemetryOptions) start(ctx context.Context, lab string, logger *slog.Logger) (*telemetry.Telemetry, error) {
	return telemetry.Start(ctx, telemetry.Options{Listen: o.metrics, Traces: o.traces, Lab: lab, Version: thisVersion().Version, Logger: logger})
}
