package sshexec

import (
	"strings"

	"nightshift/internal/inventory"
)

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

// NotElevated tells whether sudo refused a command, so that nothing of it ran. That is its last word: what it says before it runs one, such
// as that it cannot resolve the host's own name, is no refusal.
func NotElevated(res Result) bool {
	said := strings.TrimSpace(string(res.Stderr))
	return strings.HasPrefix(said[strings.LastIndexByte(said, '\n')+1:], "sudo: ") || strings.Contains(said, "is not allowed to execute")
}
