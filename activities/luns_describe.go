package activities

import (
	"fmt"
	"io"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/lunmap"
	"nightshift/internal/plan"
	"nightshift/internal/vmfs"
	"nightshift/internal/words"
)

// describe writes what a volume says of itself as a table. wrong is why it could not be read to its end; lun is nil where the
// device was not read as one.
func describe(w io.Writer, p plan.VolumeParams, size int64, v vmfs.Volume, lun *live.LUN, wrong error) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-20s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("device", "%s on %s", p.Device, p.Host)
	if size > 0 {
		row("size", "%s (%d bytes)", lunmap.Size(size), size)
	}
	if lun != nil {
		row("LUN", "%s, %s, %s", lun.NumberText(), lun.Name, lun.State)
		row("shown as", "naa.%s, vendor %q, product %q, serial number %q", lun.NAA, lun.Vendor, lun.Product, lun.Serial)
	}
	describeTable(row, v)
	if v.LVM.Major != 0 {
		describeLVM(row, v.LVM)
	}
	if fs := v.FileSystem; fs != nil {
		row("datastore", "%q, VMFS %s", fs.Label, fs.Version())
		row("UUID", "%s", fs.UUID)
		row("made", "%s by the host with the MAC %s", moment(fs.Made), fs.UUID.Host())
		row("block", "%s", lunmap.Size(int64(fs.BlockSize)))
	}
	if wrong != nil {
		row("!", "%v", wrong)
		return
	}
	if lun == nil {
		return
	}
	x := newExtent(v, *lun, lun.State != "shown to nobody")
	switch {
	case len(x.Differs) == 0 && lun.NoNumber:
		row("identity guard", "nothing differs as far as its target tells, which is not its LUN number")
	case len(x.Differs) == 0:
		row("identity guard", "ESXi mounts it: the LUN is shown as the header has it")
	}
	for _, d := range x.Differs {
		row("! identity guard", "%s: ESXi takes it for a snapshot", d)
	}
}

func describeTable(row func(name, format string, args ...any), v vmfs.Volume) {
	switch v.Table.Scheme {
	case "":
		return
	case vmfs.SchemeNone:
		row("partition table", "none: the device is a partition itself, or its table is lost")
		return
	}
	row("partition table", "%s, %s", v.Table.Scheme, words.Count(len(v.Table.Partitions), "partition"))
	for _, p := range v.Table.Partitions {
		kind := p.Type
		if p.VMFS {
			kind += ", VMFS"
		}
		row(fmt.Sprintf("  partition %d", p.Number), "sectors %d to %d (%s), type %s", p.First, p.Last, lunmap.Size(int64(p.Last-p.First+1)*vmfs.Sector), kind)
	}
	for _, problem := range v.Table.Problems {
		row("! partition table", "%s", problem)
	}
}

func describeLVM(row func(name, format string, args ...any), h vmfs.Header) {
	row("LVM", "version %d.%d, %s, made %s", h.Major, h.Minor, words.Count(int(h.Devices), "extent"), moment(h.Made))
	made := fmt.Sprintf("%d, %s", h.Disk.LUN, h.Disk.Name())
	if h.Disk.Vendor != "" || h.Disk.Model != "" { // later volumes do not have them
		made += fmt.Sprintf(", vendor %q, product %q", h.Disk.Vendor, h.Disk.Model)
	}
	row("made for LUN", "%s", made)
	row("  as ESXi names it", "%s", h.Disk.VML())
	row("extent", "%s, physical extents from %d", h.Device, h.FirstExtent)
	row("volume", "%s, %s", h.Volume, lunmap.Size(int64(min(h.VolumeSize, 1<<62))))
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "at a time that is not known"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
