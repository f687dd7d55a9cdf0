package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/identity"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vmfs"
	"nightshift/internal/words"
)

// A recording is the step that makes an identity record.
type recording struct {
	*groupStep
	here, there *identity.Store
	record      identity.Record
}

// SaveRecord reads how the LUNs of a group are shown and which VMs lie on them, and puts that with the data, on both sides.
func (a *Activities) SaveRecord(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.SaveRecord, call: c, prepare: from(c, func(_ context.Context, p plan.GroupParams) (verb, error) {
		s, err := a.groupStep(c, p)
		if err != nil {
			return verb{}, err
		}
		r := &recording{groupStep: s}
		if r.here, err = a.records(p.From); err != nil {
			return verb{}, err
		}
		if r.there, err = a.records(p.To); err != nil {
			return verb{}, err
		}
		return verb{read: r.look, remark: r.remark,
			first: func(ctx context.Context, _ *seen) (string, error) {
				if err := r.read(ctx); err != nil {
					return "", err
				}
				return "save", s.mark.still(ctx)
			},
			calls: map[string]call{"save": {words: "the identity record of " + c.Target.String(), limit: zfsLimit, harmless: true,
				send: func(ctx context.Context, _ seen) (string, error) { return "", r.save(ctx) }}}}, nil
	})})
}

// records is where the records of a storage host are.
func (a *Activities) records(host string) (*identity.Store, error) {
	z, err := a.zfsOf(host)
	if err != nil {
		return nil, err
	}
	h, err := a.lunHost(host)
	return identity.NewStore(z, h.run), err
}

// look tells whether the record of this run is in all its places.
func (r *recording) look(ctx context.Context) (seen, error) {
	var here, there map[string]identity.Stamp
	var file identity.Record
	stamps := func(s *identity.Store, to *map[string]identity.Stamp, datasets []string) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			if *to, err = s.Stamps(ctx, datasets...); *to != nil {
				err = nil // what is damaged there is written anew
			}
			return err
		}
	}
	err := sideBySide(ctx, stamps(r.here, &here, r.datasets()), stamps(r.there, &there, r.replicas()), func(ctx context.Context) (err error) {
		file, err = r.there.File(ctx, identity.FileName(r.call.Lab, r.p.Group))
		if errors.Is(err, fault.NotFound) || errors.Is(err, fault.Unsupported) {
			err = nil
		}
		return err
	})
	if err != nil {
		return seen{}, err
	}
	n := 0
	for _, d := range r.p.Datasets {
		for _, s := range []identity.Stamp{here[d.Dataset], there[d.Replica]} {
			if s.By(r.call.Run) && s.Made.Equal(file.Made) {
				n++
			}
		}
	}
	done := n == 2*len(r.p.Datasets) && file.Run == r.call.Run
	state := fmt.Sprintf("with the identity record of this run on %s", words.Of(n, 2*len(r.p.Datasets), "dataset"))
	if done {
		state = fmt.Sprintf("with its identity record in ~/%s/%s on %s, and as properties of both sides", identity.Dir, identity.FileName(r.call.Lab, r.p.Group), r.p.To)
	}
	return seen{done: done, state: state}, nil
}

// save writes the record into all its places. What was written before is of an earlier run.
func (r *recording) save(ctx context.Context) error {
	if err := r.there.SaveFile(ctx, r.record); err != nil {
		return certainlyNot(err)
	}
	return sideBySide(ctx, func(ctx context.Context) error { return r.there.SetProperties(ctx, r.record, r.replicas()) },
		func(ctx context.Context) error { return r.here.SetProperties(ctx, r.record, r.datasets()) })
}

// remark is what is in the record, and what is not.
func (r *recording) remark() string {
	if len(r.record.Datasets) == 0 {
		return "" // an earlier attempt has read it
	}
	luns := 0
	for _, d := range r.record.Datasets {
		luns += len(d.LUNs)
	}
	text := fmt.Sprintf("%s and %s", words.Count(luns, "LUN"), words.Count(r.record.VMs(), "VM"))
	var gaps []string
	for _, g := range r.record.NotRead {
		gaps = append(gaps, g.What+": "+g.Why)
	}
	if len(gaps) > 0 {
		text += "; warning: not read: " + words.Some(gaps, fewGaps)
	}
	return text
}

// fewGaps is how many things that could not be read are named.
const fewGaps = 4

// read makes the record of what there is now.
func (r *recording) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, targetRead+readTimeout)
	defer cancel()
	group, _ := r.a.lab.ProtectionGroup(r.p.Group) // groupStep has found it
	from, _ := r.a.lab.StorageHost(r.p.From)
	to, _ := r.a.lab.StorageHost(r.p.To)
	found, err := r.from.List(ctx, false, r.datasets()...)
	if err != nil {
		return err
	}
	if err := r.sameDatasets(&live.StorageHost{Datasets: found}); err != nil {
		return err
	}
	rec := identity.Record{Lab: r.call.Lab, Group: r.p.Group, Run: r.call.Run, Made: time.Now().UTC().Truncate(time.Second), Protection: *group, Source: *from, Target: *to}
	for _, p := range r.p.Datasets {
		d := found[slices.IndexFunc(found, func(d live.ZDataset) bool { return d.Name == p.Dataset })]
		rec.Datasets = append(rec.Datasets, identity.Dataset{Name: p.Dataset, GUID: p.GUID, Replica: p.Replica, Volume: d.Volume, Size: d.VolSize, Block: d.VolBlockSize})
	}
	r.readLUNs(ctx, &rec, from)
	naas := rec.NAAs()
	var before *identity.Record
	if rec.Lacks() {
		before = r.before(ctx)
		if before != nil {
			naas = append(naas, before.NAAs()...)
		}
	}
	r.readGuests(ctx, &rec, naas)
	unasked := len(r.a.lab.VCenters) == 0
	if before == nil && (unasked || rec.Lacks()) {
		before = r.before(ctx)
	}
	rec.Keep(before)
	if r.order(&rec); unasked {
		rec.KeepVMs(before)
	}
	r.record = rec
	return nil
}

// before is the record of the last run; nil: there is none that can be read.
func (r *recording) before(ctx context.Context) *identity.Record {
	old, err := r.there.File(ctx, identity.FileName(r.call.Lab, r.p.Group))
	if err != nil {
		if old, err = r.here.OnDataset(ctx, r.p.Datasets[0].Dataset); err != nil {
			return nil
		}
	}
	return &old
}

// readLUNs reads how the volumes are shown, and the headers on them.
func (r *recording) readLUNs(ctx context.Context, rec *identity.Record, host *inventory.StorageHost) {
	gap := func(what, why string) { rec.NotRead = append(rec.NotRead, live.Gap{What: what, Why: why}) }
	for _, d := range rec.Datasets {
		if !d.Volume {
			gap("VMs on "+d.Name, "it is a file system, and what hosts mount of it is not looked at")
		}
	}
	if host.Target == nil {
		gap("LUNs", "the lab file does not say which target "+host.Name+" has")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, targetRead) // the rest is for the vCenters
	defer cancel()
	h, err := r.a.lunHost(host.Name)
	var list iscsi.Listing
	if err == nil {
		list, err = h.units(ctx, r.datasets())
	}
	if err == nil && !list.Running {
		err = fmt.Errorf("the target of %s does not run", host.Name)
	}
	if err != nil {
		gap("LUNs", err.Error())
		return
	}
	for i := range rec.Datasets {
		d := &rec.Datasets[i]
		d.Read = rec.Made
		for _, lu := range list.LUs {
			if iscsi.Volume(lu.Device) == d.Name {
				record := iscsi.NewRecord(list.Kind, lu, host.Target)
				if record.Identity.NoLUN {
					gap("LUN number of "+d.Name, "the target of "+host.Name+" gave it by itself and does not tell it")
				}
				l := r.lun(ctx, h, record, lu)
				if l.Unread {
					gap("VMFS header of LUN "+l.Name, l.NoVMFS)
				}
				d.LUNs = append(d.LUNs, l)
			}
		}
		if d.Volume && len(d.LUNs) == 0 {
			gap("LUN of "+d.Name, "the target of "+host.Name+" shows none")
			d.Read = time.Time{} // who means to show it elsewhere has taken it away here: what was told of it before stays
		}
	}
}

func (r *recording) lun(ctx context.Context, h lunHost, record iscsi.Record, lu iscsi.LU) identity.LUN {
	out := identity.LUN{Record: record}
	l := newLUN(lu)
	out.Unread = !header(h.open(ctx, l.Device, l.Dataset, l.Size, vmfs.InspectMost), &l, len(lu.Paths) > 0)
	if out.NoVMFS = l.NoVMFS; l.VMFS != nil {
		out.VMFS = identity.NewVMFS(l.VMFS)
	}
	return out
}

// readGuests asks the vCenters what lies on the LUNs.
func (r *recording) readGuests(ctx context.Context, rec *identity.Record, naas []string) {
	for _, o := range r.a.occupants(ctx, naas) {
		v := identity.VCenter{Occupants: o}
		if entry, ok := r.a.lab.VCenter(o.VCenter); ok {
			v.URL = entry.URL
		}
		switch {
		case o.Err != "":
			rec.NotRead = append(rec.NotRead, live.Gap{What: "vCenter " + o.VCenter, Why: o.Err})
		case len(o.Stores) == 0 && len(o.Guests) == 0 && len(o.NotRead) == 0:
			continue // it has nothing there
		}
		for _, g := range o.NotRead {
			rec.NotRead = append(rec.NotRead, live.Gap{What: "vCenter " + o.VCenter + ": " + g.What, Why: g.Why})
		}
		rec.VCenters = append(rec.VCenters, v)
	}
}

// order takes from the lab file what it says of the start of these VMs.
func (r *recording) order(rec *identity.Record) {
	named, tags := map[string]bool{}, map[string]bool{}
	for _, v := range rec.VCenters {
		for _, g := range v.Guests {
			named[g.Name] = true
			for _, t := range g.Tags {
				tags[t] = true
			}
		}
	}
	for _, g := range r.a.lab.Guests {
		if named[g.Name] {
			rec.Guests = append(rec.Guests, g)
		}
	}
	wanted := map[string]bool{}
	for _, g := range rec.Guests {
		for _, after := range g.After {
			if name, is := strings.CutPrefix(after, "group:"); is {
				wanted[name] = true
			}
		}
	}
	for _, g := range r.a.lab.Groups {
		if wanted[g.Name] || tags[g.Tag] || slices.ContainsFunc(g.Guests, func(n string) bool { return named[n] }) {
			rec.Groups = append(rec.Groups, g)
		}
	}
}
