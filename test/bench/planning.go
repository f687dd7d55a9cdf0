package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/simlab"
	"nightshift/internal/vsphere"
)

// planning times the preview of a power-down of a large lab as it is typed, and how much of it the simulated vCenter takes:
// the same reading, without nightshift around it.
func planning(ctx context.Context, binary string, hosts, guests int) (string, error) {
	home, err := os.MkdirTemp("", "nightshift-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(home)
	sim, err := simlab.Start(ctx, simlab.Config{Spec: simlab.FleetSpec(hosts, guests), Speed: 60, Seed: 1})
	if err != nil {
		return "", err
	}
	defer sim.Close()
	labFile, err := sim.WriteLabFile(home)
	if err != nil {
		return "", err
	}
	c := &commandLine{binary: binary, global: []string{"--state-dir", filepath.Join(home, "state"), "--lab", labFile}}
	if _, err := c.serve(ctx); err != nil {
		return "", err
	}
	defer c.stop() //nolint:errcheck // it has answered all that was asked of it
	read, err := reading(ctx, labFile)
	if err != nil {
		return "", err
	}
	took, err := median(3, func() error { return c.run(ctx, "plan", "power-down") })
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "## Planning: %d hosts, %d guests\n\nThe simulated vCenter is slower than a real one, and shares the processors. Medians of three.\n\n| | |\n| --- | ---: |\n", hosts, guests)
	fmt.Fprintf(&b, "| `plan power-down` | %s |\n| what the vCenter takes to be read | %s |\n| the rest: BMCs, planning, the engine, the command | %s |\n", seconds(took), seconds(read), seconds(max(0, took-read)))
	return b.String() + "\n", nil
}

// reading is how long the vCenter of a lab file takes to be read, logged in.
func reading(ctx context.Context, labFile string) (time.Duration, error) {
	lab, err := inventory.Load(labFile)
	if err != nil {
		return 0, err
	}
	v := lab.VCenters[0]
	e, err := endpoint.Resolve(ctx, v.Name, v.Endpoint, lab.Dir)
	if err != nil {
		return 0, err
	}
	vc, err := vsphere.Connect(ctx, e)
	if err != nil {
		return 0, err
	}
	defer vc.Close(ctx)
	return median(3, func() error { _, err := vc.Inspect(ctx); return err })
}

// median is how long what usually takes.
func median(times int, what func() error) (time.Duration, error) {
	var took []time.Duration
	for range times {
		began := time.Now()
		if err := what(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
