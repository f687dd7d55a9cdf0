// Package iscsi knows iSCSI targets: what a logical unit looks like to an initiator, how targets of three kinds are read, and how
// a zvol is published on one so that it is, to every initiator, the logical unit that it was on another.
//
// LIO (Linux) is read from configfs and changed by a program of ours on the storage host. COMSTAR (illumos) and iscsitgt (old
// Solaris) are read from what their own tools print; what publishing there takes is planned to the last command, which a person
// can read, and is run only where the lab file says that it may be.
//
// It does not know ZFS, plans or Temporal. Commands are argument lists, run by whoever is given as Runner.
package iscsi

import (
	"context"
	"io"

	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
)

// A Runner runs commands on the storage host. sshexec has one.
type Runner interface {
	// Query runs what changes nothing. An exit status other than 0 is no error.
	Query(ctx context.Context, argv []string) (sshexec.Result, error)
	// Act runs what does, and gives it stdin. It sends the command once; an error without fault.NotDone may mean that it ran.
	Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error)
}

// A Target is the iSCSI target of a storage host.
type Target interface {
	// List reads what there is. It changes nothing.
	List(ctx context.Context) (Listing, error)
	// Plan is what it takes to publish, in order; none: it is so. It reads, and changes nothing. Errors are as those of Publish, with
	// fault.NotDone.
	Plan(ctx context.Context, p Publication) ([]Command, error)
	// Publish sends what makes a logical unit be as p says; what is so already stays untouched. It answers what was done, in
	// words; whether it holds is read from List afterwards. Kinds of errors: fault.Invalid and fault.Unsupported for what the target cannot
	// express, with fault.NotDone; fault.State where something else is in the way; else nothing is known.
	Publish(ctx context.Context, p Publication) ([]string, error)
	// Unpublish takes a logical unit from all initiators, at once and for the time after a reboot; the zvol stays as it is. None of
	// that name is no error. It is refused with fault.State while initiators that may use it are logged in, unless sessions is true.
	Unpublish(ctx context.Context, name string, sessions bool) ([]string, error)
}

// A Listing is what a target has, as read at one moment.
type Listing struct {
	Kind Kind
	// Running is false where the target's service or modules are not loaded: it then serves nothing.
	Running bool
	LUs     []LU
	// Remarks are what a person should know, such as a group that lets every initiator in.
	Remarks []string
}

// A State of a logical unit.
type State string

// States of a logical unit. A state that its target names otherwise is Unknown.
const (
	Online  State = "online"
	Offline State = "offline"
	Unknown State = "unknown"
)

// A LU is a logical unit as its target has it.
type LU struct {
	Name   string // of its backstore: LIO; of its target: iscsitgt; its GUID: COMSTAR
	Device string // the zvol's device or the file behind it; empty: not known
	State  State
	// Identity is what initiators see of it, whatever the path. Its LUN number is that of Paths.
	Identity Identity
	ReadOnly bool
	Paths    []Path
	// Saved says that nightshift puts it back when the host boots. Where it is false, the target's own tools may do it.
	Saved bool
}

// A Path is a portal group of a target by which a logical unit is reached.
type Path struct {
	Target  string // its IQN
	Group   uint16 // the portal group's tag
	Enabled bool
	LUN     uint16   // in the portal group; what an initiator sees is in ACLs
	NoLUN   bool     // the target does not tell it: LUN says nothing, nor do those of ACLs
	Portals []string // address:port; empty: all addresses of the host
	// Open says that any initiator may log in: nothing holds it off but CHAP, if that.
	Open bool
	// Unlisted are initiators that are logged in and have no ACL; nil: not known, which is not the same as none.
	Unlisted []string
	ACLs     []ACL
}

// An ACL lets one initiator use a logical unit.
type ACL struct {
	Initiator string // its IQN, or as COMSTAR has it, a host group: "host group esx"
	LUN       uint16 // as this initiator sees it
	ReadOnly  bool
	CHAP      bool // it has to prove itself; the secret is never read
	// User and MutualUser are the names that the initiator and the target use for that; empty: not known. LIO tells only root.
	User, MutualUser string
	// Mutual says that the target has to, too; nil where that is not known: LIO tells only root.
	Mutual *bool
	// Session is the initiator's login to the portal group: nil where it is not known, which is not the same as none.
	Session *Session
}

// A Session is the state of an initiator's login.
type Session struct {
	LoggedIn bool
	State    string   // in the target's words
	From     []string // addresses
}

// A Publication is what a logical unit is to be.
type Publication struct {
	// Name is that of the backstore, the same on every host that publishes it: letters, digits, _ . and -.
	Name     string
	Device   string // /dev/zvol/POOL/VOLUME
	Identity Identity
	ReadOnly bool
	Target   string // IQN
	Group    uint16 // tag of the portal group
	Portals  []string
	Grants   []Grant
}

// A Grant lets an initiator use the published logical unit, under the LUN number of its identity.
type Grant struct {
	Initiator string // IQN
	ReadOnly  bool
	CHAP      *CHAP // nil: it need not prove itself
}

// CHAP is how an initiator proves itself and, where Mutual is set, the target to it.
type CHAP struct {
	User         string
	Secret       inventory.Secret
	MutualUser   string
	MutualSecret inventory.Secret
}
