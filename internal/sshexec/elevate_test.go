package sshexec

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhoRefused(t *testing.T) {
	for said, want := range map[string]bool{
		"sudo: unable to resolve host ss2: Name or service not known\n":                                         false,
		"sudo: a password is required\n":                                                                        true,
		"sudo: nightshift-lio: command not found\n":                                                             true,
		"sudo: a terminal is required\nsudo: a password is required\n":                                          true,
		"Sorry, user zfsadm is not allowed to execute '/sbin/x' as root on ss2.\n":                              true,
		"sudo: unable to resolve host ss2\nnightshift-write-table: sectors 0:34 could not be written\n":         false,
		"nightshift-lio: line 435: python3: command not found\n/etc/target/saveconfig.json names vol1, and …\n": false,
		"": false,
	} {
		require.Equal(t, want, NotElevated(Result{Status: 1, Stderr: []byte(said)}), said)
		require.False(t, NotElevated(Result{Status: 137, Stderr: []byte(said)}), "the program was killed: %s", said)
	}
}
