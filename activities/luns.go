package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/lunmap"
	"nightshift/internal/plan"
	"nightshift/internal/vmfs"
	"nightshift/internal/words"
)

// A fabricSystem tells which LUNs the hosts of a vCenter see.
type fabricSystem interface {
	LUNs(ctx context.Context) (live.Fabric, error)
	// Occupants reads the datastores and VMs on LUNs, which are given by their NAAs.
	Occupants(ctx context.Context, naas []string) (live.Occupants, error)
}

// MapLUNs holds what storage hosts and vCenters tell of the LUNs against each other.
func (a *Activities) MapLUNs(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	stop := keepBeating(ctx)
	defer stop()
	out, err := a.mapLUNs(ctx)
	return out, classify(plan.MapLUNs, c.Target, err)
}

func (a *Activities) mapLUNs(ctx context.Context) (plan.Outcome, error) {
	var hosts []string
	for _, h := range a.lab.StorageHosts {
		if h.Target != nil {
			hosts = append(hosts, h.Name)
		}
	}
	var targets []live.Target
	fabrics := make([]live.Fabric, len(a.lab.VCenters))
	var all errgroup.Group
	all.Go(func() error {
		targets = a.inspectTargets(ctx, hosts, look{})
		return nil
	})
	for i, v := range a.lab.VCenters {
		all.Go(func() error {
			got, err := a.fabric(ctx, v.Name)
			if err != nil {
				got = live.Fabric{Err: err.Error()}
			}
			fabrics[i], fabrics[i].VCenter = got, v.Name
			return nil
		})
	}
	_ = all.Wait() // each says in its Err why it cannot be read
	if err := ctx.Err(); err != nil {
		return plan.Outcome{}, err
	}
	if why := silent(targets, fabrics); why != "" {
		return plan.Outcome{}, refuse(fault.State, "nothing could be read: %s", why)
	}
	m := lunmap.New(targets, fabrics)
	note := words.Count(len(m.Rows), "LUN")
	if n := m.Wrong(); n > 0 {
		note += ", " + words.Count(n, "remark") + " to look at"
	}
	found, err := a.bounded("lun-map-"+a.lab.Lab+".txt", m.Text())
	return plan.Outcome{Note: note, Found: found}, err
}

// silent says why nothing at all was read; "": something was.
func silent(targets []live.Target, fabrics []live.Fabric) string {
	why := ""
	for _, t := range targets {
		if t.Err == "" {
			return ""
		}
		why = t.Err
	}
	for _, f := range fabrics {
		if f.Err == "" {
			return ""
		}
		why = f.Err
	}
	return why
}

func (a *Activities) fabric(ctx context.Context, name string) (live.Fabric, error) {
	vc, err := a.clients.vcenter(ctx, name)
	if err != nil {
		return live.Fabric{}, err
	}
	got, err := vc.LUNs(ctx)
	a.clients.failed(name, vc, err)
	return got, err
}

// bounded is a text as plan.Outcome.Found may have it. Of one that is too long the whole is written into the state directory.
func (a *Activities) bounded(name, text string) (string, error) {
	if len(text) <= plan.MostFound {
		return text, nil
	}
	const room = 200 // for the last line
	cut := text[:strings.LastIndexByte(text[:plan.MostFound-room-len(name)-len(a.papers)], '\n')+1]
	more := strings.Count(text[len(cut):], "\n")
	if a.papers == "" {
		return cut + fmt.Sprintf("… and %d lines more\n", more), nil
	}
	path := filepath.Join(a.papers, name)
	return cut + fmt.Sprintf("… and %d lines more, in %s\n", more, path), writeFile(path, text)
}

// InspectVolume tells what the volume on a device says of itself.
func (a *Activities) InspectVolume(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	stop := keepBeating(ctx)
	defer stop()
	p, err := params[plan.VolumeParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.InspectVolume, c.Target, err)
	}
	out, err := a.inspectVolume(ctx, c, p)
	return out, classify(plan.InspectVolume, c.Target, err)
}

func (a *Activities) inspectVolume(ctx context.Context, c plan.Call, p plan.VolumeParams) (plan.Outcome, error) {
	h, err := a.lunHost(p.Host)
	if err != nil {
		return plan.Outcome{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, targetRead)
	defer cancel()
	var lun *live.LUN
	var size int64
	if p.LUN != "" {
		lu, err := h.find(ctx, p.LUN)
		if err != nil {
			return plan.Outcome{}, err
		}
		if lu.Device != p.Device {
			return plan.Outcome{}, refuse(fault.Identity, "logical unit %s of storage host %s is on %s now, it was on %s", p.LUN, p.Host, lu.Device, p.Device)
		}
		lun, size = &lu, lu.Size
	} else if size, err = h.size(ctx, p.Device); err != nil {
		return plan.Outcome{}, err
	}
	device := h.open(ctx, p.Device, p.Dataset, size, vmfs.InspectMost)
	v, wrong := vmfs.Inspect(device, size)
	if wrong != nil && !ofTheDevice(wrong) {
		return plan.Outcome{}, hint(wrong)
	}
	var b bytes.Buffer
	describe(&b, p, size, v, lun, wrong)
	if p.Dump {
		b.WriteByte('\n')
		if err := vmfs.Hexdump(&b, device, v); err != nil {
			return plan.Outcome{}, err
		}
	}
	if p.Guard && lun != nil {
		if err := guard(v, *lun, wrong); err != nil {
			return plan.Outcome{}, err
		}
	}
	found, err := a.bounded("vmfs-inspect-"+plainName(c.Step)+".txt", b.String())
	return plan.Outcome{Note: verdict(v, wrong), Found: found}, err
}

// guard refuses a logical unit whose volume ESXi would take for a snapshot's, under the identity that it shows.
func guard(v vmfs.Volume, l live.LUN, wrong error) error {
	if wrong != nil {
		return refuse(fault.Identity, "the identity guard refuses logical unit %s: no volume is found that it could be held against: %w", l.Name, wrong)
	}
	if l.NoNumber {
		return refuse(fault.Identity, "the identity guard refuses logical unit %s: its target does not tell its LUN number, which ESXi compares", l.Name)
	}
	if differs := newExtent(v, l, true).Differs; len(differs) > 0 {
		return advice{refuse(fault.Identity, "the identity guard refuses logical unit %s, which ESXi would take for a snapshot's: %s", l.Name, strings.Join(differs, "; ")),
			"let no host see it before it shows what the volume expects; `nightshift lab record HOST --publish` tells how, from the identity record. Then make a new plan"}
	}
	return nil
}

// ofTheDevice tells an error that says what lies on the device from one that it could not be read.
func ofTheDevice(err error) bool {
	return errors.Is(err, vmfs.ErrNoVMFS) || errors.As(err, new(*vmfs.DamagedError)) || errors.Is(err, vmfs.ErrEnd)
}

// find reads a logical unit by its name, without what lies on it.
func (h lunHost) find(ctx context.Context, name string) (live.LUN, error) {
	list, err := h.list(ctx)
	if err != nil {
		return live.LUN{}, err
	}
	lu, ok := list.Find(name)
	if !ok {
		return live.LUN{}, refuse(fault.NotFound, "storage host %s has no logical unit %s any more", h.Name, name)
	}
	l := newLUN(lu)
	if len(lu.Paths) == 0 {
		l.State = "shown to nobody"
	}
	return l, nil
}

// plainName is a text as part of a file's name.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, s)
}

func verdict(v vmfs.Volume, wrong error) string {
	switch {
	case wrong != nil:
		return wrong.Error()
	case v.FileSystem == nil:
		return "a further extent of volume " + v.LVM.Volume.String()
	}
	return fmt.Sprintf("%q, VMFS %s, %s", v.FileSystem.Label, v.FileSystem.Version(), v.FileSystem.UUID)
}
