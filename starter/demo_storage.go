package main

import (
	"context"
	"fmt"
	"runtime"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/runbooks"
)

// What the storage demo is about, as simlab.StorageSpec has it.
const (
	demoGroup   = "mail"
	demoPast    = "files" // a group that was replicated for long
	demoSource  = "tank/mail"
	demoReplica = "backup/ss1/mail"
	demoLUN     = 1       // the number of the LUN at the source
	demoBreak   = 8 << 20 // how many bytes of the first stream arrive, of about 24 MiB: a simulated GiB is a MiB there
	demoWrites  = 2 << 30 // bytes that are written between two replications
	demoWriteAt = 8 << 30 // where: behind what VMFS says of itself
)

// A scene of the storage demo.
type scene struct {
	tell    string // before it
	before  func() error
	runbook string
	given   map[string]string
	outcome string // that is right; default done
}

// demonstrateStorage replicates a protection group, with an interruption, prunes another one, and holds its replica against the
// identities under which it could be shown.
func (a *app) demonstrateStorage(ctx context.Context, st *station, sim *simulation, o demoOptions) error {
	s := st.session()
	began := a.now()
	a.tell("%s", a.paint().on(bold, fmt.Sprintf("Two simulated storage hosts, %g times as fast as real ones: ss1 has the datastore of the guest mail01, ss2 keeps its replicas.", o.speed)))
	a.demoWatch(st, o)
	code := exitDone
	reports := []report.Report{}
	for _, x := range storageScenes(ctx, sim.sim) {
		a.tell("\n%s", x.tell)
		if x.before != nil {
			if err := x.before(); err != nil {
				return err
			}
		}
		r, err := a.demoRun(ctx, s, x.runbook, x.given)
		if err != nil {
			return err
		}
		reports = append(reports, r)
		if x.outcome == "" || r.Outcome != x.outcome {
			code = max(code, codeOf(r))
		}
		if code != exitDone {
			break
		}
	}
	a.demoSummary(reports, sim, a.now().Sub(began))
	if o.exit || ctx.Err() != nil {
		return silent(code)
	}
	a.demoStay(st, "runs", "report latest", "run lun-map", "run replicate -p group="+demoGroup)
	if err := st.wait(ctx); err != nil {
		return err
	}
	return silent(code)
}

func storageScenes(ctx context.Context, sim *simlab.Lab) []scene {
	group := map[string]string{"group": demoGroup}
	scenes := []scene{
		{tell: "The first replication sends all. After a part of the stream the way between the hosts breaks; what has arrived stays, and the rest is sent.",
			before: func() error {
				sim.Inject(simlab.Fault{System: "ssh:ss2", Verb: "zfs receive:" + demoReplica, Kind: simlab.Break, Bytes: demoBreak, Times: 1})
				return nil
			}, runbook: runbooks.Replicate, given: group},
		{tell: "The guest writes 2 GiB. The next replication sends only these.",
			before:  func() error { return sim.StorageHost("ss1").Write(demoSource, demoWriteAt, demoWrites) },
			runbook: runbooks.Replicate, given: group},
		{tell: "Another group has a recovery point for each hour of ten days. Its policies keep a few of them on either side; the others are destroyed, but for what is held or cloned.",
			runbook: runbooks.Prune, given: map[string]string{"group": demoPast}},
	}
	if runtime.GOOS != "linux" { // the simulated target runs the scripts of a real one
		return scenes
	}
	show := func(as simlab.LUN) func() error {
		return func() error { return sim.ShowCopy(ctx, "ss2", demoReplica, as) }
	}
	guarded := map[string]string{"on": "ss2", "guard": "true"}
	return append(scenes,
		scene{tell: "Somebody shows a clone of the replica to the hosts, as the LUN that a target makes by itself. The identity guard refuses it: ESXi would take the datastore for a snapshot.",
			before: show(simlab.NewLUN(demoReplica, demoLUN+6)), runbook: runbooks.VMFSInspect, given: guarded, outcome: runapi.Partial},
		scene{tell: "Now it is shown as the LUN that it was at the source: the same NAA, number, serial number and product.",
			before: show(simlab.NewLUN(demoSource, demoLUN)), runbook: runbooks.VMFSInspect, given: guarded})
}
