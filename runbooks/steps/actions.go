package steps

import (
	"reflect"
	"slices"

	"nightshift/internal/plan"
)

// The values of `with`, by action. Keys without omitempty are required; `template:"no"` is taken as it is written.

// GuestWith is for actions that want to know no more than the guest.
type GuestWith struct {
	Guest string `json:"guest"` // its name in vCenter
}

// HostWith is for actions that want to know no more than the host.
type HostWith struct {
	Host string `json:"host"` // its name in the lab file
}

// EnterMaintenanceWith is for host/enterMaintenance.
type EnterMaintenanceWith struct {
	Host string `json:"host"` // its name in the lab file
	// Evacuate lets DRS move the running guests to other hosts. Without it a host with running guests is refused.
	Evacuate bool `json:"evacuate,omitempty"`
}

// SetOptionWith is for host/setOption.
type SetOptionWith struct {
	Host   string `json:"host"`
	Option string `json:"option"` // an advanced option: UserVars.SuppressHyperthreadWarning
	Value  any    `json:"value"`  // text, a number, true or false: read as the option's own type
}

// ReadOptionWith is for host/readOption.
type ReadOptionWith struct {
	Host   string `json:"host"`
	Option string `json:"option"`
}

// ApplicationWith is for application/stop and application/start.
type ApplicationWith struct {
	Application string `json:"application"` // the name of an application cluster in the lab file
}

// VCenterWith is for vcenter/await.
type VCenterWith struct {
	VCenter string `json:"vcenter,omitempty"` // its name in the lab file; may be left out where there is only one
}

// GuestRunWith is for guest/run: a program in a guest, started through VMware Tools with the login: of its lab file entry.
type GuestRunWith struct {
	Guest string `json:"guest"`
	// Run is the program, by its full path, and its arguments.
	Run []string `json:"run"`
	// Windows quotes the arguments as Windows programs read them; without it as a POSIX shell reads them.
	Windows bool `json:"windows,omitempty"`
	// Directory is where the program starts.
	Directory string `json:"directory,omitempty"`
	// Changes: false says that the program only reads, so that it may be started again when its answer was lost.
	Changes *bool `json:"changes,omitempty"`
	// Success are the exit statuses that are no failure. Default [0].
	Success []int `json:"success,omitempty"`
}

// ChangeTrackingWith is for guest/setChangeTracking.
type ChangeTrackingWith struct {
	Guest   string `json:"guest"`
	Enabled bool   `json:"enabled"`
}

// SnapshotWith is for guest/snapshot and guest/removeSnapshot.
type SnapshotWith struct {
	Guest string `json:"guest"`
	Name  string `json:"name"` // of the snapshot: only those that nightshift made are removed
}

// SSHRunWith is for ssh/run: a command on a machine, or a script where shell: true asks for one.
type SSHRunWith struct {
	// At is the machine: a name of machines, storageHosts or hosts (with ssh) in the lab file.
	At string `json:"at"`
	// Run is the command and its arguments. No shell reads them.
	Run []string `json:"run,omitempty"`
	// Shell hands the script to /bin/sh.
	Shell bool `json:"shell,omitempty"`
	// Script is what /bin/sh -c gets, as it is written: ${…} in it is the shell's own. Parameters go to it by args.
	Script string `json:"script,omitempty" lines:"true" template:"no"`
	// Args are $1, $2, … of the script.
	Args []string `json:"args,omitempty"`
	// Changes: false says that the command only reads, so that it may be run again when its answer was lost.
	Changes *bool `json:"changes,omitempty"`
	// Success are the exit statuses that are no failure. Default [0].
	Success []int `json:"success,omitempty"`
}

// ProbeWith is for http/probe: it waits until the URL answers so.
type ProbeWith struct {
	URL string `json:"url"` // http or https, without a login
	// Status are the answers that count. Default: any below 400.
	Status []int `json:"status,omitempty"`
	// Contains is text that the first 64 KiB of the answer must hold.
	Contains string `json:"contains,omitempty"`
	// Fingerprint is the SHA-256 of the certificate, where no CA vouches for it.
	Fingerprint string `json:"fingerprint,omitempty"`
}

// WaitWith is for wait: exactly one of for and until.
type WaitWith struct {
	For plan.Duration `json:"for,omitempty"`
	// Until is a time of day, 22:30: the next one after the step has begun.
	Until string `json:"until,omitempty"`
	// Zone is that of until: Europe/Berlin. Default: UTC.
	Zone string `json:"zone,omitempty"`
}

// ConfirmWith is for confirm: the run waits until a person says yes with `nightshift confirm`. Everything else is no.
type ConfirmWith struct {
	Message string `json:"message" lines:"true"` // what the person is to look at, or to do, before
}

// NotifyWith is for notify: people are told by the notifications of the lab file. The run waits for no mail server.
type NotifyWith struct {
	Text string `json:"text" lines:"true"` // the first line is the subject
	// Channels are names of notifications.channels in the lab file. Without it: all that take the event message of this runbook.
	Channels []string `json:"channels,omitempty"`
}

// An Action is a word of `uses`.
type Action struct {
	Name string
	Help string
	// With is the type of what it wants to know.
	With reflect.Type
	// Timed actions take the time-out of their step; the others go by the policies of the lab file.
	Timed bool
}

// Names of actions.
const (
	GuestShutdown    = "guest/shutdown"
	GuestPowerOn     = "guest/powerOn"
	GuestCheck       = "guest/check"
	GuestRun         = "guest/run"
	GuestTracking    = "guest/setChangeTracking"
	GuestSnapshot    = "guest/snapshot"
	GuestUnsnapshot  = "guest/removeSnapshot"
	HostEnter        = "host/enterMaintenance"
	HostExit         = "host/exitMaintenance"
	HostShutdown     = "host/shutdown"
	HostPowerOn      = "host/powerOn"
	HostAwait        = "host/await"
	HostReboot       = "host/reboot"
	HostSetOption    = "host/setOption"
	HostReadOption   = "host/readOption"
	ApplicationStop  = "application/stop"
	ApplicationStart = "application/start"
	VCenterAwait     = "vcenter/await"
	SSHRun           = "ssh/run"
	HTTPProbe        = "http/probe"
	Wait             = "wait"
	Confirm          = "confirm"
	Notify           = "notify"
	runbookPrefix    = "runbook/"
	joinAction       = "join" // of this package: many edges meet in it
	maxSteps         = 5000   // of a runbook when it is unfolded
	maxLooked        = 50_000 // the same, with those that conditions leave out: a foreach in a foreach has no end
	maxDepth         = 8      // of runbooks in runbooks, and blocks in blocks
	joinFrom         = 8      // steps before, and items after, from which on their edges are joined
)

// Actions lists the vocabulary.
func Actions() []Action {
	return []Action{
		{GuestShutdown, "shut a guest down, as its policy in the lab file says", reflect.TypeFor[GuestWith](), true},
		{GuestPowerOn, "power a guest on", reflect.TypeFor[GuestWith](), false},
		{GuestCheck, "wait until a guest is healthy, as the lab file says", reflect.TypeFor[GuestWith](), false},
		{GuestRun, "start a program in a guest through VMware Tools, and wait for its end", reflect.TypeFor[GuestRunWith](), true},
		{GuestTracking, "switch Changed Block Tracking of a guest on or off", reflect.TypeFor[ChangeTrackingWith](), false},
		{GuestSnapshot, "make a snapshot of a guest, without its memory", reflect.TypeFor[SnapshotWith](), false},
		{GuestUnsnapshot, "remove a snapshot that nightshift made", reflect.TypeFor[SnapshotWith](), false},
		{HostEnter, "put a host into maintenance mode", reflect.TypeFor[EnterMaintenanceWith](), false},
		{HostExit, "take a host out of maintenance mode", reflect.TypeFor[HostWith](), false},
		{HostShutdown, "shut a host down that is in maintenance mode, and see its BMC say Off", reflect.TypeFor[HostWith](), false},
		{HostPowerOn, "switch a host on through its BMC", reflect.TypeFor[HostWith](), false},
		{HostAwait, "wait until vCenter is connected to a host", reflect.TypeFor[HostWith](), false},
		{HostReboot, "reboot a host that is in maintenance mode, and wait until it is back", reflect.TypeFor[HostWith](), true},
		{HostSetOption, "set an advanced option of a host", reflect.TypeFor[SetOptionWith](), false},
		{HostReadOption, "read an advanced option of a host into the report", reflect.TypeFor[ReadOptionWith](), false},
		{ApplicationStop, "stop an application cluster", reflect.TypeFor[ApplicationWith](), true},
		{ApplicationStart, "start an application cluster", reflect.TypeFor[ApplicationWith](), true},
		{VCenterAwait, "wait until a vCenter answers and its inventory can be read", reflect.TypeFor[VCenterWith](), false},
		{SSHRun, "run a command on a machine over SSH", reflect.TypeFor[SSHRunWith](), true},
		{HTTPProbe, "wait until a URL answers", reflect.TypeFor[ProbeWith](), true},
		{Wait, "wait for a while, or until a time of day", reflect.TypeFor[WaitWith](), false},
		{Notify, "send a message to people, by the notifications of the lab file", reflect.TypeFor[NotifyWith](), false},
		{Confirm, "wait until a person says yes", reflect.TypeFor[ConfirmWith](), true},
	}
}

func actionNames() (names []string) {
	for _, a := range Actions() {
		names = append(names, a.Name)
	}
	return names
}

func actionOf(name string) (Action, bool) {
	list := Actions()
	i := slices.IndexFunc(list, func(a Action) bool { return a.Name == name })
	if i < 0 {
		return Action{}, false
	}
	return list[i], true
}
