//go:build storagelab

package storagelab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"github.com/stretchr/testify/require"
)

// powered tells whether the machine's processor runs.
func (m *Machine) powered() bool {
	m.lab.t.Helper()
	var status struct{ Running bool }
	m.monitor("query-status", nil, &status)
	return status.Running
}

// monitor has QEMU do something, and decodes what it answers into answer, where that is not nil. QEMU serves one at a
// time: others wait.
func (m *Machine) monitor(command string, arguments map[string]any, answer any) {
	m.lab.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.lab.t.Context()), Patience)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", m.qmp)
	require.NoError(m.lab.t, err, "%s is not running: make storage-lab-status", m.Name)
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	require.NoError(m.lab.t, conn.SetDeadline(deadline))
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	act := map[string]any{"execute": command}
	if arguments != nil {
		act["arguments"] = arguments
	}
	require.NoError(m.lab.t, out.Encode(map[string]any{"execute": "qmp_capabilities"}))
	require.NoError(m.lab.t, reply(in, nil))
	require.NoError(m.lab.t, out.Encode(act))
	require.NoError(m.lab.t, reply(in, answer), "%s: %s", m.Name, command)
}

// reply reads the answer to a command. Between come a greeting and events.
func reply(in *json.Decoder, answer any) error {
	for {
		var message struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := in.Decode(&message); err != nil {
			return err
		}
		switch {
		case message.Error != nil:
			return fmt.Errorf("QEMU says %s", message.Error.Desc)
		case message.Return != nil && answer != nil:
			return json.Unmarshal(message.Return, answer)
		case message.Return != nil:
			return nil
		}
	}
}
