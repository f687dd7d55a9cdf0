package sshexec

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
)

// connect opens the connection over which SSH is spoken with the machine: directly, or through its jump host.
func (r Resolved) connect(ctx context.Context) (net.Conn, error) {
	if r.jump == nil {
		tcp, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "tcp", r.Address)
		if err != nil {
			return nil, fault.As(fault.Unreachable, fmt.Errorf("%s: %w", r.Name, err))
		}
		return tcp, nil
	}
	if r.jump.User == "" {
		return nil, fault.As(fault.Invalid, fmt.Errorf("%s: there is no user in the lab file to log in as", r.jump.Name))
	}
	gate, _, err := dial(ctx, *r.jump)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := gate.DialContext(ctx, "tcp", r.Address)
	if err == nil {
		return passage{conn, gate}, nil
	}
	_ = gate.Close() // nothing goes through
	refused := new(ssh.OpenChannelError)
	if errors.As(err, &refused) && refused.Reason == ssh.Prohibited {
		return nil, fault.As(fault.Permission, fmt.Errorf("%s: its jump host does not let %s through (AllowTcpForwarding in its sshd_config?)", r.Name, r.jump.User))
	}
	return nil, fault.As(fault.Unreachable, fmt.Errorf("%s: from its jump host on: %w", r.Name, err))
}

// A passage is a connection through a jump host. It ends with it.
type passage struct {
	net.Conn
	gate *ssh.Client
}

func (p passage) Close() error {
	err := p.Conn.Close()
	_ = p.gate.Close() // whoever was in between is of no interest any more
	return err
}
