package vsphere

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

// describeFault finds the kind and the words for a fault of the server, with the text that came along. The order of
// the cases matters: the special ones come before their families.
func describeFault(f types.BaseMethodFault, message string) (error, string) {
	kind, words := accessFault(f)
	if kind == nil {
		kind, words = stateFault(f)
	}
	if kind == nil {
		kind, words = requestFault(f)
	}
	if words == "" {
		words = "refused"
	}
	return kind, named(words, f, message)
}

// accessFault knows logins, rights, licences and hosts that do not answer.
func accessFault(f types.BaseMethodFault) (error, string) {
	switch f := f.(type) {
	case *types.InvalidLogin:
		return fault.Auth, "login refused; it is not tried again, as accounts get locked: check user and password"
	case *types.PasswordExpired:
		return fault.Auth, "login refused: the password has expired"
	case *types.NotAuthenticated:
		return fault.Unreachable, "the session was lost twice in a row"
	case *types.RestrictedVersion:
		return fault.Permission, "its licence allows reading only, as that of the free ESXi does"
	case types.BaseNoPermission:
		return fault.Permission, noPermission(f.GetNoPermission())
	case *types.HostNotConnected:
		return fault.Unreachable, "the host is not connected to the vCenter"
	case types.BaseHostCommunication:
		return fault.Unreachable, "the vCenter cannot reach the host"
	case types.BaseNotEnoughLicenses:
		return fault.Permission, "no licence for this"
	}
	return nil, ""
}

// stateFault knows what may work at another time.
func stateFault(f types.BaseMethodFault) (error, string) {
	switch f := f.(type) {
	case *types.InvalidPowerState:
		return fault.State, "not possible while it is " + string(f.ExistingState)
	case *types.QuestionPending:
		return fault.State, fmt.Sprintf("it waits for an answer to %q", f.Text)
	case *types.NoActiveHostInCluster:
		return fault.State, "no host of the cluster is connected and out of maintenance mode"
	case types.BaseInvalidState:
		return fault.State, "not possible in its present state"
	case *types.ToolsUnavailable:
		return ErrNoTools, "no VMware Tools run in it"
	case types.BaseTaskInProgress:
		return fault.State, "another task works on it: " + f.GetTaskInProgress().Task.Value
	case *types.MethodDisabled:
		return fault.State, "switched off for now"
	case *types.ConcurrentAccess:
		return fault.State, "changed by someone else at the same moment"
	case types.BaseTimedout:
		return fault.State, "not done in the time allowed"
	case *types.RequestCanceled:
		return fault.State, "cancelled by someone"
	case types.BaseInsufficientResourcesFault:
		return fault.State, "not enough resources"
	case types.BaseNoCompatibleHost:
		return fault.State, "no host can run it"
	case *types.ResourceInUse:
		return fault.State, "in use"
	case types.BaseInvalidDatastore:
		return fault.State, "its datastore cannot be used just now"
	case types.BaseCannotAccessVmComponent, types.BaseFileFault:
		return fault.State, "its files cannot be read just now"
	case *types.DuplicateName:
		return fault.State, fmt.Sprintf("the name %q is taken", f.Name)
	}
	return nil, ""
}

// requestFault knows what will never work as it was asked.
func requestFault(f types.BaseMethodFault) (error, string) {
	switch f := f.(type) {
	case *types.ManagedObjectNotFound:
		return fault.NotFound, fmt.Sprintf("%s %s is not there (any more)", f.Obj.Type, f.Obj.Value)
	case *types.NotFound:
		return fault.NotFound, "not found"
	case *types.MethodNotFound:
		return fault.Unsupported, "it does not know the call " + f.Method
	case *types.NotImplemented:
		return fault.Unsupported, "it cannot do this"
	case types.BaseNotSupported:
		return fault.Unsupported, "it cannot do this"
	case types.BaseInvalidArgument:
		return fault.Invalid, "invalid argument " + f.GetInvalidArgument().InvalidProperty
	case *types.InvalidName:
		return fault.Invalid, fmt.Sprintf("invalid name %q", f.Name)
	case *types.InvalidProperty:
		return fault.Invalid, "invalid property " + f.Name
	case types.BaseInvalidRequest:
		return fault.Invalid, "invalid request"
	}
	return nil, ""
}

// marked adds fault.TurnedAway to the answer to a call that a host or its storage was not ready for: it may be back in a
// moment, and nothing was done.
func marked(f types.BaseMethodFault, err error) error {
	if notReady(f) {
		return fault.As(fault.NotDone, fault.As(fault.TurnedAway, err))
	}
	return err
}

func notReady(f types.BaseMethodFault) bool {
	switch f := f.(type) {
	case *types.HostNotConnected, *types.InvalidHostState, *types.InvalidHostConnectionState, *types.InvalidDatastoreState,
		types.BaseInvalidDatastore, types.BaseCannotAccessVmComponent, types.BaseFileFault:
		return true
	case types.BaseNoCompatibleHost: // of DRS: each host says why
		why := f.GetNoCompatibleHost().Error
		return slices.ContainsFunc(why, func(l types.LocalizedMethodFault) bool { return l.Fault != nil && notReady(l.Fault) })
	}
	return false
}

// noPermission names the privileges and the objects: vCenter 8 lists them, before there was one.
func noPermission(f *types.NoPermission) string {
	var lacks []string
	for _, m := range f.MissingPrivileges {
		lacks = append(lacks, fmt.Sprintf("%s on %s %s", strings.Join(m.PrivilegeIds, ", "), m.Entity.Type, m.Entity.Value))
	}
	if len(lacks) == 0 && f.PrivilegeId != "" {
		lack := f.PrivilegeId
		if f.Object != nil {
			lack += fmt.Sprintf(" on %s %s", f.Object.Type, f.Object.Value)
		}
		lacks = append(lacks, lack)
	}
	if len(lacks) == 0 {
		return "no permission"
	}
	return "no permission: the account lacks the privilege " + strings.Join(lacks, "; ")
}
