package activities

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// maxRecord is how large packed inventories may be, those of all vCenters of a lab together: as large as a packed plan, as what can be
// powered down has to be known afterwards. 10,000 guests take 350 KiB, with names of 40 random characters 600. Records travel with the
// ledger through each of its hand-overs, in base64, beside the memory of the same guests: 1.6 MiB then, of the 2 that Temporal takes.
const maxRecord = plan.MaxPacked

// maxUnpackedRecord bounds what is read back, and maxRecorded how many guests, hosts or the like: a small record could
// unfold to millions.
const (
	maxUnpackedRecord = 16 << 20
	maxRecorded       = 100_000
)

// RecordLab writes down what a vCenter knows, in the ledger and on a page for people, before it goes down. Again is fine:
// the later record takes the place of the earlier one.
func (a *Activities) RecordLab(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	stop := keepBeating(ctx)
	defer stop()
	out, err := a.recordLab(ctx, c)
	return out, classify(plan.RecordLab, c.Target, err)
}

func (a *Activities) recordLab(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.RecordParams](c)
	if err != nil {
		return plan.Outcome{}, err
	}
	got, err := a.inspectVCenter(ctx, p.VCenter)
	if err != nil {
		return plan.Outcome{}, err
	}
	packed, err := packRecord(got, a.machine)
	if err != nil {
		return plan.Outcome{}, err
	}
	if err := a.roomBeside(ctx, c.Lab, p.VCenter, len(packed)); err != nil {
		return plan.Outcome{}, err
	}
	record := ledger.Record{VCenter: p.VCenter, At: time.Now().UTC(), Run: c.Run, Packed: packed}
	if err := a.ledger.change(ctx, c.Lab, ledger.Change{Record: &record}); err != nil {
		return plan.Outcome{}, err
	}
	path, err := a.writePaper(ctx, c, got)
	if err != nil {
		return plan.Outcome{}, err
	}
	note := ""
	if path != "" {
		note = "what to do by hand is in " + path
	}
	return plan.Outcome{Acted: true, Note: note,
		Evidence: fmt.Sprintf("%s, %s and %s in the ledger (%d KiB)", words.Count(len(got.Hosts), "host"), words.Count(len(got.Guests), "guest"), words.Count(len(got.Datastores), "datastore"), len(packed)>>10)}, nil
}

// roomBeside is the error of a record that is too large beside those of the other vCenters.
func (a *Activities) roomBeside(ctx context.Context, lab, vcenter string, size int) error {
	book, err := a.ledger.read(ctx, lab)
	if err != nil {
		return err
	}
	others := 0
	for _, r := range book.Records {
		if r.VCenter != vcenter {
			others += len(r.Packed)
		}
	}
	if size+others > maxRecord {
		return refuse(fault.Invalid, "the inventory of vCenter %s has %d KiB packed, and those of other vCenters in the ledger have %d KiB: the limit of all is %d KiB", vcenter, size>>10, others>>10, maxRecord>>10)
	}
	return nil
}

// packRecord packs what planners need to know of a vCenter that does not answer. machine is the SMBIOS UUID of the one
// that nightshift runs on: that of its own guest is kept.
func packRecord(vc live.VCenter, machine string) ([]byte, error) {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // only an unknown level fails
	short, err := withoutZeros(lasting(vc, machine))
	if err == nil {
		_, err = z.Write(short)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, fmt.Errorf("pack the inventory of vCenter %s: %w", vc.Name, err)
	}
	if b.Len() > maxRecord || len(short) > maxUnpackedRecord {
		return nil, refuse(fault.Invalid, "the inventory of vCenter %s has %d guests and %d KiB packed, the limit is %d KiB", vc.Name, len(vc.Guests), b.Len()>>10, maxRecord>>10)
	}
	return b.Bytes(), nil
}

// withoutZeros is the JSON of v without the fields that hold nothing: most of them do.
func withoutZeros(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		return nil, err
	}
	return json.Marshal(pruned(tree))
}

func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, field := range v {
			switch field = pruned(field); field {
			case nil, "", false, 0.0, time.Time{}.Format(time.RFC3339):
				delete(v, k)
			default:
				v[k] = field
			}
		}
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
	}
	return v
}

// lasting is what of an inventory is still true when nothing runs any more. The devices' own words (tasks, questions,
// heartbeats, addresses) are not, and templates and vCLS VMs are nobody's to start. A guest's cluster is its host's.
// UUIDs cannot be packed: what is not compared is left out.
func lasting(vc live.VCenter, machine string) live.VCenter {
	vc.Tasks, vc.Warnings, vc.Mark, vc.ClockOffset = nil, nil, "", 0
	vc.Hosts = slices.Clone(vc.Hosts)
	for i := range vc.Hosts {
		h := &vc.Hosts[i]
		h.Connection, h.Power, h.Booted = "", "", time.Time{}
	}
	vc.Guests = slices.DeleteFunc(slices.Clone(vc.Guests), func(g live.Guest) bool { return g.Template || g.VCLS })
	for i := range vc.Guests {
		g := &vc.Guests[i]
		g.ToolsInstalled = g.ToolsInstalled || g.Tools
		g.Power, g.Connection, g.Tools, g.Heartbeat, g.Question, g.Consolidation, g.NoSuspend = "", "", false, "", nil, false, ""
		g.IP, g.Folder, g.Cluster = "", "", ""
		if g.Path != "" && g.Path == usualPath(*g, vc.Datastores) {
			g.Path = usual
		}
		if machine == "" || !live.SameUUID(g.BIOSUUID, machine) {
			g.BIOSUUID = ""
		}
	}
	slices.SortFunc(vc.Guests, func(a, b live.Guest) int { // those that are alike beside each other pack well
		return cmp.Or(cmp.Compare(a.Host, b.Host), slices.Compare(a.Datastores, b.Datastores), slices.Compare(a.Tags, b.Tags), cmp.Compare(a.Name, b.Name))
	})
	vc.Datastores = slices.Clone(vc.Datastores)
	for i := range vc.Datastores {
		vc.Datastores[i].Accessible = false
	}
	return vc
}

// usual stands for the path that vSphere gives to a guest's configuration file by itself. A true one begins with "[".
const usual = "*"

func usualPath(g live.Guest, all []live.Datastore) string {
	for _, d := range all {
		if len(g.Datastores) > 0 && d.Ref == g.Datastores[0] {
			return fmt.Sprintf("[%s] %s/%s.vmx", d.Name, g.Name, g.Name)
		}
	}
	return ""
}

// recorded is what the ledger's record tells of a vCenter, Remembered set; false: there is none.
func recorded(book ledger.State, vcenter string) (live.VCenter, bool, error) {
	i := slices.IndexFunc(book.Records, func(r ledger.Record) bool { return r.VCenter == vcenter })
	if i < 0 {
		return live.VCenter{}, false, nil
	}
	r := book.Records[i]
	vc, err := unpackRecord(r.Packed)
	if err != nil {
		return live.VCenter{}, false, fault.As(fault.Invalid, fmt.Errorf("the record of vCenter %s in the ledger, of %s: %w", vcenter, r.At.UTC().Format(time.RFC3339), err))
	}
	vc.Name, vc.Remembered = vcenter, r.At
	return vc, true, nil
}

// unread takes no memory, of whatever JSON it is read.
type unread struct{}

// UnmarshalJSON reads nothing.
func (*unread) UnmarshalJSON([]byte) error { return nil }

func unpackRecord(b []byte) (vc live.VCenter, _ error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return vc, fmt.Errorf("cannot be read: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, maxUnpackedRecord+1))
	if err != nil {
		return vc, fmt.Errorf("cannot be read: %w", err)
	}
	if len(text) > maxUnpackedRecord {
		return vc, fmt.Errorf("unfolds to more than %d MiB", maxUnpackedRecord>>20)
	}
	var count struct{ Clusters, Hosts, Guests, Datastores, Tasks []unread }
	if err := json.Unmarshal(text, &count); err != nil {
		return vc, fmt.Errorf("cannot be read: %w", err)
	}
	if max(len(count.Clusters), len(count.Hosts), len(count.Guests), len(count.Datastores), len(count.Tasks)) > maxRecorded {
		return vc, fmt.Errorf("has more than %d entries in a list", maxRecorded)
	}
	if err := json.Unmarshal(text, &vc); err != nil {
		return vc, fmt.Errorf("cannot be read: %w", err)
	}
	cluster := map[string]string{}
	for _, h := range vc.Hosts {
		cluster[h.Ref] = h.Cluster
	}
	for i := range vc.Guests {
		g := &vc.Guests[i]
		if g.Cluster = cluster[g.Host]; g.Path == usual {
			g.Path = usualPath(*g, vc.Datastores)
		}
	}
	slices.SortFunc(vc.Guests, func(a, b live.Guest) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Ref, b.Ref)) })
	return vc, nil
}
