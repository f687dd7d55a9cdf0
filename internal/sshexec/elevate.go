package sshexec

import "nightshift/internal/inventory"

// Elevate is a command as the policy of the machine (StorageHost.Elevate) runs what its account may not do by itself. Neither sudo
// nor pfexec asks for a password: that would be a question which nobody answers.
func Elevate(policy string, argv []string) []string {
	switch policy {
	case inventory.ElevateSudo:
		return append([]string{"sudo", "-n"}, argv...)
	case inventory.ElevatePfexec:
		return append([]string{"pfexec"}, argv...)
	}
	return argv
}
