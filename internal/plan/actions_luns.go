package plan

import (
	"errors"
	"fmt"
	"strings"
)

// The actions on LUNs and the volumes on them, with the type of their Params and what holds when they are done.
const (
	// MapLUNs (no params; the target is the lab): what storage hosts and vCenters tell of the LUNs was held against each other, and
	// is in the report. Read-only.
	MapLUNs Action = "MapLUNs"
	// InspectVolume (VolumeParams; the target is the LUN): what the volume on it says of itself is in the report. Read-only.
	InspectVolume Action = "InspectVolume"
	// SaveVolume (SaveVolumeParams; the target is the LUN): its partition table, LVM header and metadata are in a file of the state
	// directory, with checksums, and no more of its older files are there than are to be kept. On the storage host it only reads.
	SaveVolume Action = "SaveVolume"
	// CopyBackup (CopyBackupParams; the target is the LUN): its newest file of SaveVolume lies on another storage host, too, was read
	// back there, and no more of its copies are there than are to be kept.
	CopyBackup Action = "CopyBackup"
	// RestoreTable (RestoreTableParams; the target is the LUN): the partition table on it is that of the backup. What lay there before
	// is in a file.
	RestoreTable Action = "RestoreTable"
)

// ofLUNs are the actions above.
func ofLUNs() []Action { return []Action{MapLUNs, InspectVolume, SaveVolume, CopyBackup, RestoreTable} }

// VolumeParams are for InspectVolume.
type VolumeParams struct {
	Host string `json:"host"` // the storage host, by its name in the lab file
	// Device is what is read there: a block device or a file. Where Dataset is set it is the device of that ZFS volume.
	Device  string `json:"device"`
	Dataset string `json:"dataset,omitempty"`
	// LUN is the name of the logical unit; empty: the device is read whether it is one or not.
	LUN string `json:"lun,omitempty"`
	// Dump: the structures are shown byte by byte, too.
	Dump bool `json:"dump,omitempty"`
	// Guard: the step fails unless ESXi would mount the volume under the identity that the logical unit shows.
	Guard bool `json:"guard,omitempty"`
}

func (p *VolumeParams) check() error {
	if p.Host == "" {
		return errors.New("host is missing")
	}
	if !strings.HasPrefix(p.Device, "/") {
		return fmt.Errorf("device is %q, it must be an absolute path", p.Device)
	}
	return nil
}

// SaveVolumeParams are for SaveVolume.
type SaveVolumeParams struct {
	Host    string `json:"host"`   // the storage host, by its name in the lab file
	Device  string `json:"device"` // there
	Dataset string `json:"dataset,omitempty"`
	LUN     string `json:"lun"`  // the name of the logical unit
	Keep    int    `json:"keep"` // how many files of it stay, this one among them
}

func (p *SaveVolumeParams) check() error {
	if p.Keep < 1 {
		return fmt.Errorf("keep is %d, at least 1 stays", p.Keep)
	}
	return (&VolumeParams{Host: p.Host, Device: p.Device}).check()
}

// CopyBackupParams are for CopyBackup.
type CopyBackupParams struct {
	Host string `json:"host"` // the storage host with the LUN, by its name in the lab file
	LUN  string `json:"lun"`  // the name of the logical unit
	To   string `json:"to"`   // the storage host to which its backup is copied, by its name in the lab file
	Keep int    `json:"keep"` // how many copies of the LUN's backups stay there, this one among them
}

func (p *CopyBackupParams) check() error {
	switch {
	case p.Host == "" || p.LUN == "" || p.To == "":
		return errors.New("host, lun and to must be given")
	case p.To == p.Host:
		return fmt.Errorf("to is %s, as host is: a copy lies on another one", p.To)
	case p.Keep < 1:
		return fmt.Errorf("keep is %d, at least 1 stays", p.Keep)
	}
	return nil
}

// RestoreTableParams are for RestoreTable.
type RestoreTableParams struct {
	Host    string   `json:"host"`   // the storage host, by its name in the lab file
	Device  string   `json:"device"` // there
	Dataset string   `json:"dataset"`
	LUN     string   `json:"lun"`    // the name of the logical unit
	Serial  string   `json:"serial"` // its serial number, as a person has typed it
	File    string   `json:"file"`   // the backup, without its directory
	Ranges  []string `json:"ranges"` // SKIP:COUNT, in sectors of 512 bytes, in the order in which they are written
	// Was is the SHA-256 of what lies in the ranges when the plan is made, Is that of what is written.
	Was string `json:"was"`
	Is  string `json:"is"`
}

func (p *RestoreTableParams) check() error {
	if p.Dataset == "" || len(p.Ranges) == 0 || p.Was == "" || p.Is == "" || p.File == "" {
		return errors.New("dataset, file, ranges, was and is must be given")
	}
	return (&VolumeParams{Host: p.Host, Device: p.Device}).check()
}

func newLUNParams(a Action) any {
	switch a {
	case RestoreTable:
		return new(RestoreTableParams)
	case InspectVolume:
		return new(VolumeParams)
	case SaveVolume:
		return new(SaveVolumeParams)
	case CopyBackup:
		return new(CopyBackupParams)
	}
	return nil
}

// looksAtLUNs reports whether the step changes nothing: it only looks, or writes into nightshift's own directory.
func (s Step) looksAtLUNs() bool {
	return s.Action == MapLUNs || s.Action == InspectVolume || s.Action == SaveVolume
}
