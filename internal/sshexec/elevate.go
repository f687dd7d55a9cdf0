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

// sudoRefused is the status with which sudo ends where it refuses (sudo(8), "Exit value"). Else the status is the program's.
const sudoRefused = 1

// NotElevated tells whether sudo refused a command, so that nothing of it ran. That is its last word: what it says before it runs one, that it
// cannot resolve the host's own name, is no refusal, even where the program that ran then failed without a word.
func NotElevated(res Result) bool {
	said := strings.TrimSpace(string(res.Stderr))
	last := said[strings.LastIndexByte(said, '\n')+1:]
	switch {
	case res.Status != sudoRefused, strings.Contains(last, "unable to resolve host"):
		return false
	}
	return strings.HasPrefix(last, "sudo: ") || strings.Contains(said, "is not allowed to execute")
}
