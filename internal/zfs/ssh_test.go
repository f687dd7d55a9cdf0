package zfs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/sshexec"
)

func TestAShellsStatusTellsOfASignal(t *testing.T) {
	for _, test := range []struct {
		told sshexec.Result
		want Exit
	}{
		{sshexec.Result{}, Exit{}},
		{sshexec.Result{Status: 2}, Exit{Status: 2}},
		{sshexec.Result{Status: -1, Signal: "KILL"}, Exit{Status: -1, Signal: "KILL"}},
		{sshexec.Result{Status: 137}, Exit{Status: -1, Signal: "signal 9"}},
		{sshexec.Result{Status: 255}, Exit{Status: 255}}, // of ssh
	} {
		require.Equal(t, test.want, exited(test.told))
	}
}
