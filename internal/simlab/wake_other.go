//go:build !linux

package simlab

import (
	"errors"
	"net"
)

// silence would have a listener drop every packet. Only Linux offers that to everybody.
func silence(net.Listener, bool) error {
	return errors.New("a simulated host can fall silent on Linux only")
}
