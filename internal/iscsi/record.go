package iscsi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// RecordVersion is that of the form in which records are written. Fields are added to it; a change of what one means is a new
// version.
const RecordVersion = 1

// A Record is what it takes to show a logical unit again, on another host, to the same initiators. It holds no secrets.
type Record struct {
	Version  int          `json:"version"`
	Kind     Kind         `json:"kind"`             // of the target that it was read from
	Name     string       `json:"name"`             // of the backstore
	Device   string       `json:"device,omitempty"` // on the host that it was read from
	Identity Identity     `json:"identity"`
	ReadOnly bool         `json:"readOnly,omitempty"`
	Paths    []RecordPath `json:"paths,omitempty"`
}

// A RecordPath is a portal group by which the logical unit was reached.
type RecordPath struct {
	Target  string      `json:"target"` // IQN
	Group   uint16      `json:"group,omitempty"`
	LUN     uint16      `json:"lun"`
	NoLUN   bool        `json:"noLUN,omitempty"` // the target did not tell it, nor those of ACLs
	Portals []string    `json:"portals,omitempty"`
	Open    bool        `json:"open,omitempty"`
	ACLs    []RecordACL `json:"acls,omitempty"`
}

// A RecordACL is an initiator that used it.
type RecordACL struct {
	Initiator string `json:"initiator"`
	LUN       uint16 `json:"lun"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
	// CHAP says that it proved itself, as User and with what Secret refers to: how the lab file names the place of it, never the secret
	// itself. Mutual says that the target did, too. Names and references are empty where neither the target nor the lab file told them.
	CHAP         bool                `json:"chap,omitempty"`
	User         string              `json:"user,omitempty"`
	Secret       inventory.SecretRef `json:"secret,omitempty"`
	Mutual       *bool               `json:"mutual,omitempty"`
	MutualUser   string              `json:"mutualUser,omitempty"`
	MutualSecret inventory.SecretRef `json:"mutualSecret,omitempty"`
}

// NewRecord is the record of a logical unit. Its LUN number is that of the first initiator, or of the first path. The target is as in
// the lab file.
func NewRecord(kind Kind, lu LU, target *inventory.StorageTarget) Record {
	r := Record{Version: RecordVersion, Kind: kind, Name: lu.Name, Device: lu.Device, Identity: lu.Seen(), ReadOnly: lu.ReadOnly}
	for _, p := range lu.Paths {
		path := RecordPath{Target: p.Target, Group: p.Group, LUN: p.LUN, NoLUN: p.NoLUN, Portals: p.Portals, Open: p.Open}
		for _, a := range p.ACLs {
			path.ACLs = append(path.ACLs, newRecordACL(a, target.CHAPOf(a.Initiator)))
		}
		r.Paths = append(r.Paths, path)
	}
	return r
}

// newRecordACL keeps what the target tells of an initiator. The lab file's entry for it, which may be nil, adds what is not told, and where
// the secrets are; what is told otherwise is another user's, whose secret is not that of the entry.
func newRecordACL(a ACL, entry *inventory.TargetCHAP) RecordACL {
	r := RecordACL{Initiator: a.Initiator, LUN: a.LUN, ReadOnly: a.ReadOnly, CHAP: a.CHAP, User: a.User, Mutual: a.Mutual, MutualUser: a.MutualUser}
	if entry == nil || !a.CHAP {
		return r
	}
	if a.User == "" || a.User == entry.User {
		r.User, r.Secret = entry.User, entry.Secret
	}
	if (a.Mutual == nil || *a.Mutual) && (a.MutualUser == "" || a.MutualUser == entry.MutualUser) {
		r.MutualUser, r.MutualSecret = entry.MutualUser, entry.MutualSecret
	}
	return r
}

// Seen is the identity with the LUN number under which the first initiator sees it, as far as the target tells one.
func (lu LU) Seen() Identity {
	id := lu.Identity
	id.NoLUN = len(lu.Paths) > 0
	for _, p := range lu.Paths {
		switch {
		case p.NoLUN:
		case len(p.ACLs) > 0:
			id.LUN, id.NoLUN = p.ACLs[0].LUN, false
			return id
		case id.NoLUN:
			id.LUN, id.NoLUN = p.LUN, false
		}
	}
	return id
}

// Numbers are the LUN numbers under which initiators see it, each once, as far as the target tells them.
func (lu LU) Numbers() (list []uint16) {
	for _, p := range lu.Paths {
		numbers := []uint16{}
		for _, a := range p.ACLs {
			numbers = append(numbers, a.LUN)
		}
		if p.Open {
			numbers = append(numbers, p.LUN)
		}
		for _, n := range numbers {
			if !p.NoLUN && !slices.Contains(list, n) {
				list = append(list, n)
			}
		}
	}
	return list
}

// Marshal writes the record as JSON in one line.
func (r Record) Marshal() ([]byte, error) { return json.Marshal(r) }

// ParseRecord reads what Marshal wrote. A record of a later version is refused: what it means is not known. Unknown fields are
// of a later nightshift and do no harm. Errors are fault.Unsupported.
func ParseRecord(b []byte) (Record, error) {
	var r Record
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&r); err != nil {
		return Record{}, fault.As(fault.Unsupported, fmt.Errorf("the record of the logical unit cannot be read: %w", err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Record{}, unreadable("the record of the logical unit cannot be read: there is something behind it")
	}
	if err := r.Check(); err != nil {
		return Record{}, err
	}
	return r, nil
}

// Check refuses a record that this nightshift does not understand. Errors are fault.Unsupported.
func (r Record) Check() error {
	if r.Version < 1 || r.Version > RecordVersion {
		return unreadable("the record of the logical unit has version %d, this nightshift knows 1 to %d", r.Version, RecordVersion)
	}
	if naa := r.Identity.NAA; naa != "" {
		if canonical, err := CanonicalNAA(naa); err != nil || canonical != naa {
			return unreadable("the record of the logical unit has the NAA %q, which is none", naa)
		}
	}
	return nil
}
