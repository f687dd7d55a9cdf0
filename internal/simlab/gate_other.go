//go:build !linux

package simlab

import "net"

// refuse does nothing: connections are accepted and closed.
func refuse(net.Listener, bool) {}

// refusing is never the case.
func refusing(error) bool { return false }
