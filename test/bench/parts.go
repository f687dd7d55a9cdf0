package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"

	"nightshift/internal/plan"
	"nightshift/runbooks"
	"nightshift/test/bench/ideal"
)

const seed = 1

// at is the delay of a step at a pace: 60 is sixty times as fast as a lab that lives.
func at(pace float64) ideal.Delayer {
	return func(s plan.Step) time.Duration { return time.Duration(float64(ideal.Delay(s, seed)) / pace) }
}

func heading(full bool, load, stolen string) string {
	version := "a work tree"
	if info, ok := debug.ReadBuildInfo(); ok {
		var parts []string
		for _, d := range info.Deps {
			for path, name := range map[string]string{"go.temporal.io/server": "Temporal server", "go.temporal.io/sdk": "SDK", "modernc.org/sqlite": "SQLite (modernc)"} {
				if d.Path == path {
					parts = append(parts, name+" "+d.Version)
				}
			}
		}
		slices.Sort(parts)
		version = strings.Join(parts, ", ")
	}
	mode := "Steps are fake and take the time that they take in a lab, divided by the pace that is told: overhead weighs as many times as much as in earnest."
	if full {
		mode = "Steps are fake and take the time that they take in a lab."
	}
	return fmt.Sprintf(`# Performance

Written by `+"`make bench`"+` on %s: %s, %d CPUs, load %s at the start, %s of the processor
time that was wanted given to other machines (steal); %s, %s.
%s
The embedded engine waits for the disk at every commit (synchronous=full). One run each: expect some percent of difference.

`, time.Now().UTC().Format("2006-01-02"), machine(), runtime.NumCPU(), load, stolen, runtime.Version(), version, mode)
}

// makespan compares runs of 64 hosts and 2,000 guests with what is possible, and with how else it is done.
func makespan(ctx context.Context, full bool) (string, error) {
	st, err := newStation(ctx)
	if err != nil {
		return "", err
	}
	defer st.stop() //nolint:errcheck // a directory under the system's temporary one
	var b strings.Builder
	b.WriteString(`## Makespan: 64 hosts, 2,000 guests

Ideal is a simulation of the same graph with the same limits (32 operations per vCenter, 4 per host, 1 per BMC) and delays, without
any overhead. The next two columns are the same simulation with barriers between stages, as recovery products do it, and one
step after the other, as scripts do it. Wait is the longest time for which a step that could have begun did not, for a hand-over
mostly; wrong is what should not be: a wait of more than a second, a limit that did not hold, a step that acted twice, a warning of Temporal.

| run | steps | pace | ideal | took | ratio | with barriers | one by one | longest wait | runs of the chain | wrong |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
`)
	f := newFleet(64, 2000, vcenterLimit)
	for _, c := range []struct {
		runbook string
		pace    float64
	}{{runbooks.PowerDown, 60}, {runbooks.PowerUp, 20}} {
		pace := c.pace
		if full {
			pace = 1
		}
		p, err := f.plan(c.runbook)
		if err != nil {
			return "", err
		}
		r, err := st.run(ctx, "makespan-"+c.runbook, p, at(pace))
		if err != nil {
			return "", err
		}
		staged, stages, err := ideal.Stages(p, at(pace))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s | %d | %g | %s | %s | **%.3f** | %.2f (%d stages) | %.0f | %s | %d | %s |\n", c.runbook, r.steps, pace, seconds(r.ideal), seconds(r.took), r.ratio(),
			float64(staged)/float64(r.ideal), stages, float64(ideal.OneByOne(p, at(pace)))/float64(r.ideal), seconds(r.verdict.Lag), r.runs, r.wrong())
	}
	return b.String() + realSteps, nil
}

const realSteps = `
The real steps at this size: ` + "`TestALargeLab` (in `make e2e`)" + ` takes 64 hosts and 2,000 guests of a simulated lab down and up again
through the command: on 2 CPUs, at pace 60, 2,146 steps took 1 min 42 s and 4,274 took 1 min 11 s; nothing was sent twice, and Temporal gave
no warning.

`

// longestWait is for which a step that could begin may wait: for a hand-over, mostly.
const longestWait = time.Second

// wrong is what should not be, or "none".
func (r result) wrong() string {
	list := slices.Clone(r.warnings)
	for _, o := range r.verdict.Over {
		list = append(list, "limit exceeded: "+o)
	}
	if r.verdict.Lag > longestWait {
		list = append(list, fmt.Sprintf("step %s waited %s, though it could have begun", r.verdict.Lagged, seconds(r.verdict.Lag)))
	}
	if n := len(r.verdict.Early); n > 0 {
		list = append(list, fmt.Sprintf("%d steps before what they need", n))
	}
	if r.twice > 0 {
		list = append(list, fmt.Sprintf("%d steps acted twice", r.twice))
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.ReplaceAll(strings.Join(append(list, r.machine.String()), "; "), "|", "/")
}

// growth shows how runs grow with the lab.
func growth(ctx context.Context) (string, error) {
	var b strings.Builder
	b.WriteString(`## Growth

Each row is a run on a fresh engine. Planned is the planner and the packing, without reading the lab. Payload is the packed
plan; Temporal warns of events above 512 KiB and of histories above 10,240 events. Memory is that of the whole process: engine,
worker and run.

A packed plan may have 704 KiB. What it takes are mostly the guests' UUIDs (16 bytes each) and their names, each once: 10,000 guests with
names of 40 random characters, which nothing makes smaller, have 536 KiB. A larger one is refused before anything is touched: run it in parts
(--cluster). Above some 352 KiB Temporal logs a warning of the event that holds it, and works; servers before 1.32 warn from half of that.

| hosts, guests | runbook | steps | planned | payload | limit per vCenter | pace | took / ideal | steps/s | events | longest history | memory | wrong |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
`)
	for _, c := range []struct {
		hosts, guests, limit int
		runbook              string
		pace                 float64
	}{
		{4, 20, 32, runbooks.PowerDown, 60}, {16, 200, 32, runbooks.PowerDown, 60}, {64, 2000, 64, runbooks.PowerDown, 60},
		{256, 10000, 128, runbooks.PowerDown, 50}, {256, 10000, 128, runbooks.PowerUp, 20},
	} {
		row, err := grown(ctx, c.hosts, c.guests, c.limit, c.runbook, c.pace)
		if err != nil {
			return "", err
		}
		b.WriteString(row)
	}
	return b.String() + "\n", nil
}

func grown(ctx context.Context, hosts, guests, limit int, runbook string, pace float64) (string, error) {
	st, err := newStation(ctx)
	if err != nil {
		return "", err
	}
	defer st.stop() //nolint:errcheck // a directory under the system's temporary one
	began := time.Now()
	p, err := newFleet(hosts, guests, limit).plan(runbook)
	if err != nil {
		return "", err
	}
	if _, err := p.Pack(); err != nil {
		return "", err
	}
	planned := time.Since(began)
	r, err := st.run(ctx, "growth", p, at(pace))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("| %d, %d | %s | %d | %s | %d KiB | %d | %g | %s / %s = %.3f | %.0f | %d in %d runs | %d, %d KiB | %s | %s |\n", hosts, guests, runbook, r.steps, seconds(planned),
		r.packed>>10, limit, pace, seconds(r.took), seconds(r.ideal), r.ratio(), float64(r.steps)/r.took.Seconds(), r.events, r.runs, r.mostEvents, r.bytes>>10, memory(), r.wrong()), nil
}

// rate is how many steps a second there can be.
func rate(ctx context.Context) (string, error) {
	st, err := newStation(ctx)
	if err != nil {
		return "", err
	}
	defer st.stop() //nolint:errcheck // a directory under the system's temporary one
	var b strings.Builder
	b.WriteString(`## Steps per second

Steps that take no time, each with its intent on disk before it acts: what the engine and the executor cost.

| | steps | took | steps/s | a step |
| --- | ---: | ---: | ---: | ---: |
`)
	for _, c := range []struct {
		name  string
		steps int
		chain bool
	}{{"one after the other", 300, true}, {"32 at a time", 1000, false}} {
		p := plan.Plan{Schema: plan.SchemaVersion, Runbook: runbooks.PowerDown, Title: c.name, Lab: labName, Limits: map[string]int{"vcenter": 32}}
		for i := range c.steps {
			s := plan.Step{ID: fmt.Sprintf("step:%04d", i), Title: "Shut down a guest", Action: plan.ShutdownGuest, Holds: []string{"vcenter:vc1"},
				Target: plan.Target{Kind: plan.Guest, Name: fmt.Sprintf("vm%04d", i)}, Timeout: minute, OnFailure: plan.Ask}
			if c.chain && i > 0 {
				s.Needs = []string{p.Steps[i-1].ID}
			}
			p.Steps = append(p.Steps, s)
		}
		r, err := st.run(ctx, "rate-"+strings.Fields(c.name)[0], p, func(plan.Step) time.Duration { return 0 })
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %.0f | %.1f ms |\n", c.name, r.steps, seconds(r.took), float64(r.steps)/r.took.Seconds(), r.took.Seconds()*1000/float64(r.steps))
	}
	return b.String() + "\n", nil
}

func seconds(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// status is a line of /proc/self/status; empty where there is none.
func status(key string) string { return lineOf("/proc/self/status", key) }

func lineOf(file, key string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			return strings.TrimSpace(strings.TrimLeft(rest, "\t :"))
		}
	}
	return ""
}

func machine() string {
	if m := lineOf("/proc/cpuinfo", "model name"); m != "" {
		return m
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(b))[0]
}

// processors are the times of all processors since the machine booted; zero where nobody tells.
func processors() procfs.CPUStat {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return procfs.CPUStat{}
	}
	st, err := fs.Stat()
	if err != nil {
		return procfs.CPUStat{}
	}
	return st.CPUTotal
}

// stolenSince is how much of the processor time that was wanted since then the hypervisor gave to other machines. Where it is more than a
// few percent, everything was slower than it is.
func stolenSince(begin procfs.CPUStat) string {
	now := processors()
	busy := func(s procfs.CPUStat) float64 { return s.User + s.Nice + s.System + s.IRQ + s.SoftIRQ + s.Steal }
	wanted := busy(now) - busy(begin)
	if wanted <= 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.0f %%", 100*(now.Steal-begin.Steal)/wanted)
}

// memory is what the process has in memory now.
func memory() string { return megabytes(status("VmRSS")) }

func megabytes(kB string) string {
	var n int
	if _, err := fmt.Sscanf(kB, "%d kB", &n); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d MB", n>>10)
}
