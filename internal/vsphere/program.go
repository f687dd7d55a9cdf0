package vsphere

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// A GuestLogin is an account inside a guest.
type GuestLogin struct {
	User     string
	Password inventory.Secret
}

func (l GuestLogin) auth() *types.NamePasswordAuthentication {
	return &types.NamePasswordAuthentication{Username: l.User, Password: l.Password.Reveal()}
}

// A Program was started in a guest.
type Program struct {
	Ended  bool
	Status int // its exit status, where it has ended
}

func (c *Client) processes(ctx context.Context) (types.ManagedObjectReference, error) {
	m := c.vim.ServiceContent.GuestOperationsManager
	if m == nil {
		return types.ManagedObjectReference{}, fault.As(fault.Unsupported, fmt.Errorf("%s has no guest operations", c.name))
	}
	got, err := c.retrieve(ctx, wants{"GuestOperationsManager": {"processManager"}}, object(*m))
	if err != nil {
		return types.ManagedObjectReference{}, err
	}
	list := allOf[mo.GuestOperationsManager](got)
	if len(list) == 0 || list[0].ProcessManager == nil {
		return types.ManagedObjectReference{}, fault.As(fault.Unsupported, fmt.Errorf("%s has no guest operations", c.name))
	}
	return *list[0].ProcessManager, nil
}

// StartProgram starts a program in a guest through its Tools and returns its process id. arguments is what follows the
// program on its command line. fault.Auth: the guest refuses the login.
func (c *Client) StartProgram(ctx context.Context, ref string, l GuestLogin, path, arguments, directory string) (int64, error) {
	op := "start " + path + " in guest " + ref
	manager, err := c.processes(ctx)
	if err != nil {
		return 0, fault.As(fault.NotDone, c.explain(op, err))
	}
	res, err := methods.StartProgramInGuest(ctx, c.vim, &types.StartProgramInGuest{This: manager, Vm: vmRef(ref), Auth: l.auth(),
		Spec: &types.GuestProgramSpec{ProgramPath: path, Arguments: arguments, WorkingDirectory: directory}})
	if err != nil {
		return 0, c.guestError(op, err)
	}
	return res.Returnval, nil
}

// Program looks at a program that was started. The Tools forget one some minutes after it has ended: fault.NotFound.
func (c *Client) Program(ctx context.Context, ref string, l GuestLogin, pid int64) (out Program, err error) {
	op := fmt.Sprintf("look at process %d in guest %s", pid, ref)
	err = c.read(ctx, op, func(ctx context.Context) error {
		manager, err := c.processes(ctx)
		if err != nil {
			return err
		}
		res, err := methods.ListProcessesInGuest(ctx, c.vim, &types.ListProcessesInGuest{This: manager, Vm: vmRef(ref), Auth: l.auth(), Pids: []int64{pid}})
		if err != nil {
			return c.guestError(op, err)
		}
		for _, p := range res.Returnval {
			if p.Pid == pid {
				out = Program{Ended: p.EndTime != nil, Status: int(p.ExitCode)}
				return nil
			}
		}
		return fault.As(fault.NotFound, fmt.Errorf("guest %s does not list process %d (any more)", ref, pid))
	})
	return out, err
}

// guestError tells a guest's no from a vCenter's.
func (c *Client) guestError(op string, err error) error {
	var kind error
	var text string
	switch faultOf(err).(type) {
	case *types.InvalidGuestLogin:
		kind, text = fault.Auth, "the guest refuses the login; it is not tried again, as accounts get locked"
	case *types.GuestOperationsUnavailable, *types.ToolsUnavailable:
		kind, text = fault.State, "its VMware Tools do not take orders just now"
	case *types.FileNotFound:
		kind, text = fault.Invalid, "there is no such file in the guest"
	case *types.CannotAccessFile, *types.GuestPermissionDenied:
		kind, text = fault.Permission, "the guest does not allow it"
	default:
		return c.explain(op, err)
	}
	return fault.As(kind, &callError{op + " at " + c.name + ": " + text, err})
}
