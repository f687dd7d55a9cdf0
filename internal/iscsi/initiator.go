package iscsi

import (
	"context"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"nightshift/internal/fault"
)

//go:embed initiator.sh
var initiatorScript string

// A Disk is a logical unit as a Linux machine sees it that is logged in to its target.
type Disk struct {
	Address  string // host:channel:target:LUN
	Block    string // sdb; empty: no block device was made of it
	Target   string // IQN; empty: not over iSCSI
	Identity Identity
}

// Disks reads what the machine, an initiator, has been told by the logical units of a target, or of all where target is empty. It
// asks sysfs, where Linux keeps the bytes: nothing is sent to the target.
func Disks(ctx context.Context, run Runner, target string) ([]Disk, error) {
	out, err := ask(ctx, run, []string{"sh", "-c", initiatorScript, "sh", "/sys/class/scsi_disk", target})
	if err != nil {
		return nil, err
	}
	return parseInitiator(out)
}

func parseInitiator(out []byte) ([]Disk, error) {
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if lines[0] != "nightshift-initiator 1" || lines[len(lines)-1] != "end" {
		return nil, unreadable("the list of SCSI disks is not whole: it begins with %q and ends with %q", clip(lines[0]), clip(lines[len(lines)-1]))
	}
	var disks []Disk
	var seen []Seen
	var sizes []Capacity
	for _, line := range lines[1 : len(lines)-1] {
		if rest, begins := strings.CutPrefix(line, "D"); begins {
			f := strings.Split(rest, "\t")
			if len(f) != 3 {
				return nil, unreadable("the list of SCSI disks has a line %q", clip(line))
			}
			lun, err := strconv.ParseUint(f[0][strings.LastIndexByte(f[0], ':')+1:], 10, 16)
			if err != nil {
				return nil, unreadable("the list of SCSI disks has an address %q", clip(f[0]))
			}
			disks, seen, sizes = append(disks, Disk{Address: f[0], Block: f[1], Target: f[2]}), append(seen, Seen{LUN: uint16(lun)}), append(sizes, Capacity{})
			continue
		}
		name, value, found := strings.Cut(line, "\t")
		if !found || len(disks) == 0 {
			return nil, unreadable("the list of SCSI disks has a line %q", clip(line))
		}
		if err := seen[len(seen)-1].told(name, value, &sizes[len(sizes)-1]); err != nil {
			return nil, err
		}
	}
	for i := range disks {
		id, err := seen[i].Identity()
		if err != nil {
			return nil, fmt.Errorf("SCSI disk %s: %w", disks[i].Address, err)
		}
		id.Size, id.LogicalBlock, id.PhysicalBlock = sizes[i].Size, sizes[i].LogicalBlock, sizes[i].PhysicalBlock
		disks[i].Identity = id
	}
	return disks, nil
}

// told notes one answer. Size and blocks are as Linux has understood READ CAPACITY(16).
func (s *Seen) told(name, value string, size *Capacity) error {
	if name == "Ccache" {
		if value != "" {
			s.CacheIsBack = of(strings.HasPrefix(value, "write back"))
		}
		return nil
	}
	if strings.HasPrefix(name, "N") {
		n, err := strconv.ParseUint(value, 10, 53)
		if err != nil {
			return unreadable("the list of SCSI disks has %s %q", name, clip(value))
		}
		switch name {
		case "Nsectors":
			size.Size = n * sectorSize
		case "Nlogical":
			size.LogicalBlock = uint32(n)
		case "Nphysical":
			size.PhysicalBlock = uint32(n)
		}
		return nil
	}
	b, err := hex.DecodeString(value)
	if err != nil {
		return fault.As(fault.Unsupported, fmt.Errorf("the list of SCSI disks has %s %q", clip(name), clip(value)))
	}
	switch name {
	case "inquiry":
		s.Inquiry = b
	case "vpd_pg80":
		s.Page80 = b
	case "vpd_pg83":
		s.Page83 = b
	case "vpd_pgb0":
		s.PageB0 = b
	}
	return nil
}
