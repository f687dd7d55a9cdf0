package iscsi

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/fault"
)

const (
	lioHeader = "nightshift-lio-listing 1"
	// unitSerial is how the kernel begins what vpd_unit_serial holds.
	unitSerial = "T10 VPD Unit Serial Number: "
	noSession  = "No active iSCSI Session"
	sessionIs  = "Session State: TARG_SESS_STATE_"
	sectorSize = 512
)

// tree is configfs as lio_read.sh prints it.
type tree struct {
	running      bool
	values       map[string]string // of attributes, by their path below configfs' directory "target"; lines are joined
	dirs         []string
	links        map[string][]string // where the symbolic links in a directory lead
	secrets      map[string]bool     // CHAP secrets of targets that are set
	secretsKnown bool
	blocks       map[string]blockDevice
	zvols        map[string]string // by the name of the device to which they lead: zd0
	saved        map[string]bool   // names that come back at boot
	unreadable   []string
}

type blockDevice struct {
	device                     string
	logical, physical, sectors uint64
	cache                      string
}

// parseLIO reads what lio_read.sh printed. Errors are fault.Unsupported: it is cut short, or not what the script prints; or
// fault.Permission.
func parseLIO(out []byte) (Listing, error) {
	t, err := parseTree(out)
	if err != nil {
		return Listing{}, err
	}
	if len(t.unreadable) > 0 {
		return Listing{}, fault.As(fault.Permission, fmt.Errorf("LIO's configuration may not be read: %s", t.unreadable[0]))
	}
	return t.listing()
}

func parseTree(out []byte) (*tree, error) {
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if lines[0] != lioHeader {
		return nil, unreadable("the listing of LIO begins with %q, not with %q", clip(lines[0]), lioHeader)
	}
	if lines[len(lines)-1] != "end" {
		return nil, unreadable("the listing of LIO is cut short after %d bytes", len(out))
	}
	t := &tree{running: true, values: map[string]string{}, links: map[string][]string{}, secrets: map[string]bool{},
		blocks: map[string]blockDevice{}, zvols: map[string]string{}, saved: map[string]bool{}}
	for _, line := range lines[1 : len(lines)-1] {
		if err := t.line(line); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *tree) line(line string) error {
	if line == "absent" {
		t.running = false
		return nil
	}
	if line == "K" {
		t.secretsKnown = true
		return nil
	}
	if line == "" {
		return unreadable("the listing of LIO has an empty line")
	}
	rest := line[1:]
	name, value, has := strings.Cut(rest, "\x00")
	switch line[0] {
	case 'F':
		if old, more := t.values[name]; more {
			value = old + "\n" + value
		}
		t.values[name] = value
	case 'D':
		t.dirs = append(t.dirs, rest)
	case 'L':
		t.links[path.Dir(name)] = append(t.links[path.Dir(name)], value)
	case 'C':
		t.secrets[rest] = true
	case 'X':
		t.unreadable = append(t.unreadable, rest)
	case 'Z':
		t.zvols[path.Base(value)] = name
	case 'S':
		t.saved[strings.TrimSuffix(rest, ".lu")] = true
	case 'B':
		return t.block(strings.Split(rest, "\x00"))
	default:
		return unreadable("the listing of LIO has a line %q", clip(line))
	}
	if strings.IndexByte("FLZ", line[0]) >= 0 && !has {
		return unreadable("the listing of LIO has a line without a value: %q", clip(line))
	}
	return nil
}

func (t *tree) block(fields []string) error {
	if len(fields) != 6 {
		return unreadable("the listing of LIO tells of a block device with %d fields, not 6", len(fields))
	}
	d := blockDevice{device: fields[1], cache: fields[5]}
	for i, n := range []*uint64{&d.logical, &d.physical, &d.sectors} {
		var err error
		if *n, err = strconv.ParseUint(fields[2+i], 10, 48); err != nil && fields[2+i] != "" {
			return unreadable("the listing of LIO tells of a block device with %q where a number is expected", clip(fields[2+i]))
		}
	}
	t.blocks[fields[0]] = d
	return nil
}

// clip is the beginning of what cannot be read, for an error.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

func (t *tree) listing() (Listing, error) {
	l := Listing{Kind: LIO, Running: t.running}
	slices.Sort(t.dirs)
	for _, dir := range t.dirs {
		if parts := strings.Split(dir, "/"); len(parts) == 3 && parts[0] == "core" && strings.Contains(parts[1], "_") { // beside backstores there is alua
			lu, err := t.store(dir, parts[1], parts[2])
			if err != nil {
				return Listing{}, err
			}
			l.LUs = append(l.LUs, lu)
		}
	}
	for _, lu := range l.LUs {
		for _, p := range lu.Paths {
			if p.Open {
				l.Remarks = append(l.Remarks, fmt.Sprintf("%s, group %d, lets every initiator in, also to %s", p.Target, p.Group, lu.Name))
			}
		}
	}
	return l, nil
}

// store is a backstore as a logical unit.
func (t *tree) store(dir, hba, name string) (LU, error) {
	at := func(attribute string) string { return strings.TrimSpace(t.values[dir+"/"+attribute]) }
	lu := LU{Name: name, Device: at("udev_path"), State: Offline, Saved: t.saved[name] && strings.HasPrefix(hba, "iblock_")}
	id := Identity{Vendor: at("wwn/vendor_id"), Product: at("wwn/product_id"), Revision: at("wwn/revision"),
		Serial: strings.TrimSpace(strings.TrimPrefix(t.values[dir+"/wwn/vpd_unit_serial"], unitSerial))}
	company, err := numberOf(dir, "wwn/company_id", at("wwn/company_id"), LIOCompany)
	if err != nil {
		return LU{}, err
	}
	block, err := numberOf(dir, "attrib/block_size", at("attrib/block_size"), 0)
	if err != nil {
		return LU{}, err
	}
	if id.Serial != "" {
		id.NAA = LIONAA(uint32(company), id.Serial)
		id.Designators = lioDesignators(id)
	}
	id.LogicalBlock = uint32(block)
	id.CompareAndWrite, id.ExtendedCopy = flag(at("attrib/emulate_caw")), flag(at("attrib/emulate_3pc"))
	open := openDevice(t.values[dir+"/info"])
	if d, known := t.blocks[dir]; known && (open == "" || open == path.Base(d.device)) {
		if d.logical > 0 { // LIO tells how many logical blocks of the device are in a physical one, whatever block_size says
			id.PhysicalBlock = id.LogicalBlock * uint32(d.physical/d.logical)
		}
		id.Size = d.sectors * sectorSize
		if d.cache != "" {
			id.WriteCache = of(d.cache == "write back")
		}
		open = path.Base(d.device)
	}
	if zvol := t.zvols[open]; zvol != "" {
		lu.Device = zvol
	}
	lu.Identity = id
	lu.ReadOnly = strings.Contains(t.values[dir+"/info"], "readonly: 1")
	if lu.Paths, err = t.paths(dir); err != nil {
		return LU{}, err
	}
	if at("enable") == "1" && slices.ContainsFunc(lu.Paths, func(p Path) bool { return p.Enabled }) {
		lu.State = Online
	}
	return lu, nil
}

// openDevice is the block device that the kernel has open for a backstore, such as zd0; empty: it does not tell. That stays when the zvol is
// renamed, and another may have its name then.
func openDevice(info string) string {
	_, rest, _ := strings.Cut(info, "iBlock device: ")
	name, _, _ := strings.Cut(rest, " ")
	return name
}

func numberOf(dir, attribute, text string, absent uint64) (uint64, error) {
	if text == "" {
		return absent, nil
	}
	n, err := strconv.ParseUint(text, 0, 32)
	if err != nil {
		return 0, unreadable("LIO's %s/%s holds %q where a number is expected", dir, attribute, clip(text))
	}
	return n, nil
}

func flag(text string) *bool {
	switch text {
	case "1":
		return of(true)
	case "0":
		return of(false)
	}
	return nil
}

// trimmed are the fields of a text, one a line.
func trimmed(text string) []string {
	var list []string
	for line := range bytes.Lines([]byte(text)) {
		if f := strings.TrimSpace(string(line)); f != "" {
			list = append(list, f)
		}
	}
	return list
}
