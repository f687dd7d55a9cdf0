package lunmap

import (
	"cmp"
	"fmt"
	"strings"

	"nightshift/internal/live"
	"nightshift/internal/words"
)

// fewGuests is how many guests of a datastore are named.
const fewGuests = 20

// Text is the map for people.
func (m Map) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; read: %s, %s, %s\n", words.Count(len(m.Rows), "LUN"), words.Count(m.storageHosts, "storage host"), words.Count(m.hosts, "host"),
		words.Count(m.stores, "VMFS datastore"))
	for _, p := range m.Problems {
		fmt.Fprintf(&b, "  ! %s\n", p)
	}
	for _, r := range m.Rows {
		fmt.Fprintf(&b, "\n%s\n", r.heading())
		r.text(func(name, format string, args ...any) {
			fmt.Fprintf(&b, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
		})
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "  ! %s\n", p)
		}
	}
	return b.String()
}

// Wrong is how many problems there are, of the rows too.
func (m Map) Wrong() int {
	n := len(m.Problems)
	for _, r := range m.Rows {
		n += len(r.Problems)
	}
	return n
}

func (r Row) heading() string {
	if r.Size == 0 {
		return r.Name
	}
	return r.Name + ", " + Size(r.Size)
}

func (r Row) text(line func(name, format string, args ...any)) {
	for _, s := range r.Shown {
		line(kindOfDevice(s.LUN), "%s on %s (logical unit %s, LUN %s, %s)", cmp.Or(s.Dataset, s.Device, "a device that is not known"), s.Host, s.Name, s.NumberText(), s.State)
		line("VMFS", "%s", VMFS(s.LUN, s.MadeBy))
	}
	if len(r.Shown) == 0 {
		line("device", "of no storage host of the lab file")
	}
	for _, s := range r.Stores {
		where := "mounted by no host"
		if len(s.MountedBy) > 0 {
			where = "mounted by " + strings.Join(s.MountedBy, ", ")
		}
		line("datastore", "%s in %s, %s", s.Name, s.VCenter, where)
		if len(r.Shown) == 0 {
			line("VMFS", "%s, %s", words.Count(len(s.Disks), "extent"), uuidOf(s.Version, s.UUID))
		}
	}
	for _, d := range r.Seen {
		line("path", "%s: %s", d.Host, cmp.Or(strings.Join(d.Paths, ", "), "none"))
	}
	for _, s := range r.Stores {
		guests := cmp.Or(words.Some(s.Guests, fewGuests), "none")
		line("VMs", "%s", guests)
	}
}

func kindOfDevice(l live.LUN) string {
	if l.Dataset != "" {
		return "zvol"
	}
	return "device"
}

func uuidOf(version, uuid string) string { return "VMFS " + version + ", " + uuid }

// VMFS is a line about the volume on a LUN. maker is the name of the host that made it, where it is known.
func VMFS(l live.LUN, maker string) string {
	v := l.VMFS
	if v == nil {
		return cmp.Or(l.NoVMFS, "not read")
	}
	if v.UUID == "" {
		return fmt.Sprintf("a further extent of the volume %s, which has %d", v.Volume, v.Extents)
	}
	parts := []string{fmt.Sprintf("%q", v.Label), uuidOf(v.Version, v.UUID)}
	made := "made"
	if !v.Made.IsZero() {
		made += " " + v.Made.Format("2006-01-02")
	}
	switch {
	case maker != "":
		made += " by host " + maker + " (" + v.MadeBy + ")"
	case v.MadeBy != "":
		made += " by the host with the MAC " + v.MadeBy
	}
	parts = append(parts, made)
	if v.Extents > 1 {
		parts = append(parts, words.Count(int(v.Extents), "extent"))
	}
	return strings.Join(parts, ", ")
}

// Size is a size for people: whole GiB where that says it.
func Size(n int64) string {
	for _, u := range []struct {
		unit int64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}} {
		if n >= u.unit {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(u.unit)), ".0") + " " + u.name
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
