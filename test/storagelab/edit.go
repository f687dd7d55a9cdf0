//go:build storagelab

package storagelab

import "github.com/stretchr/testify/require"

// Edit changes a text file by a program of sed, which must change something; its owner and mode stay. What it answers puts the
// file back as it was.
func (m *Machine) Edit(file, program string) (undo func()) {
	m.lab.t.Helper()
	before := m.Run("base64", "-w", "0", file)
	m.Script(`text=$(sed -E "$2" "$1"); printf '%s\n' "$text" >"$1"`, file, program)
	require.NotEqual(m.lab.t, before, m.Run("base64", "-w", "0", file), "%s on %s has nothing for `%s`", file, m.Name, program)
	return func() {
		m.lab.t.Helper()
		m.Script(`echo "$2" | base64 -d >"$1"`, file, before)
	}
}
