package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/zfs"
	"nightshift/runbooks"
)

const (
	pointsListed = 50_000 // snapshots of the listing that is read
	pointsPruned = 10_000 // snapshots of the plan, half of them on either side
)

// pruning times what a rollup takes beside the tools of ZFS: to read a listing, and to plan.
func pruning(ctx context.Context) (string, error) {
	listing := &lister{points: pointsListed}
	client := zfs.New("ss1", listing)
	if _, err := client.List(ctx, false, "tank/mail"); err != nil { // makes the listing
		return "", err
	}
	read, err := processor(7, func() error {
		found, err := client.List(ctx, false, "tank/mail")
		if err == nil && (len(found) != 1 || len(found[0].Snapshots) != pointsListed) {
			err = fmt.Errorf("%d datasets were read", len(found))
		}
		return err
	})
	if err != nil {
		return "", err
	}
	in, err := pruneInput(ctx)
	if err != nil {
		return "", err
	}
	book, _ := runbooks.Lookup(runbooks.Prune)
	var p plan.Plan
	made, err := processor(7, func() (err error) {
		p, err = book.Plan(in)
		return err
	})
	if err != nil {
		return "", err
	}
	var packed []byte
	packing, err := processor(7, func() (err error) {
		packed, err = p.Pack()
		return err
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "## Pruning\n\nOne dataset with hourly recovery points, on either side. Processor time, medians of seven, without what ZFS and the network take.\n\n| | |\n| --- | ---: |\n")
	fmt.Fprintf(&b, "| a listing of %d snapshots, all columns, read | %s (%.0f snapshots/s, %d MiB/s) |\n", pointsListed, seconds(read), pointsListed/read.Seconds(), int(float64(len(listing.out))/read.Seconds())>>20)
	fmt.Fprintf(&b, "| `prune` of %d snapshots planned, checked | %s (%d steps) |\n| the plan packed | %s (%d KiB) |\n", pointsPruned, seconds(made), len(p.Steps), seconds(packing), len(packed)>>10)
	return b.String() + "\n", nil
}

// processor is the median of the processor time that something takes, on all processors together: whatever else runs on the machine.
func processor(times int, what func() error) (time.Duration, error) {
	used := func() time.Duration {
		var r syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
			return 0
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	var took []time.Duration
	for range times {
		before := used()
		if err := what(); err != nil {
			return 0, err
		}
		took = append(took, used()-before)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// pruneInput is what a planner gets of two sides with the same points.
func pruneInput(ctx context.Context) (runbooks.Input, error) {
	of := &inventory.Retention{All: plan.Duration(48 * time.Hour), Daily: 14, Weekly: 8, Monthly: 12, Yearly: 5}
	lab := &inventory.Lab{Hash: "bench", File: inventory.File{Lab: "bench", Limits: inventory.Limits{Storage: 2}, Runbooks: map[string]inventory.Runbook{},
		ProtectionGroups: []inventory.ProtectionGroup{{Name: "mail", Source: inventory.ProtectionSource{Host: "ss1", Datasets: []string{"tank/mail"}},
			Target: inventory.ProtectionTarget{Host: "ss2", Under: "backup"}, Keep: inventory.Retentions{Source: of, Target: of, Zone: "Europe/Berlin"}}}}}
	state := &live.State{At: newestPoint.Add(time.Hour), Instance: "bench"}
	for host, dataset := range map[string]string{"ss1": "tank/mail", "ss2": "backup/mail"} {
		found, err := zfs.New(host, &lister{points: pointsPruned / 2}).List(ctx, false, dataset)
		if err != nil {
			return runbooks.Input{}, err
		}
		state.Storage = append(state.Storage, live.StorageHost{Host: host, Datasets: found})
	}
	return runbooks.Input{Lab: lab, State: state, Parameters: map[string]string{plan.ParamGroup: "mail"}}, nil
}

var newestPoint = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// A lister answers `zfs list` of one dataset, with hourly recovery points.
type lister struct {
	points int
	out    []byte
}

// Run prints the columns that are asked for.
func (l *lister) Run(_ context.Context, argv []string, s zfs.Streams) (zfs.Exit, error) {
	if l.out == nil {
		columns := strings.Split(argv[slices.Index(argv, "-o")+1], ",")
		dataset := argv[len(argv)-1]
		var b bytes.Buffer
		l.line(&b, columns, dataset, "volume", 0, newestPoint)
		for i := range l.points {
			at := newestPoint.Add(-time.Duration(l.points-1-i) * time.Hour)
			l.line(&b, columns, dataset+"@nightshift_mail_"+at.Format("2006-01-02T15:04:05Z"), "snapshot", i+1, at)
		}
		l.out = b.Bytes()
	}
	_, err := io.Copy(s.Stdout, bytes.NewReader(l.out))
	return zfs.Exit{}, err
}

func (l *lister) line(b *bytes.Buffer, columns []string, name, kind string, n int, at time.Time) {
	values := map[string]string{"name": name, "type": kind, "guid": strconv.FormatUint(uint64(n+1)*0x9E3779B97F4A7C15, 10),
		"createtxg": strconv.Itoa(100 + n), "creation": strconv.FormatInt(at.Unix(), 10), "used": "131072", "referenced": "1073741824", "written": "4194304", "userrefs": "0", "clones": ""}
	for i, c := range columns {
		if i > 0 {
			b.WriteByte('\t')
		}
		v, ok := values[c]
		if !ok {
			v = "-"
		}
		b.WriteString(v)
	}
	b.WriteByte('\n')
}
