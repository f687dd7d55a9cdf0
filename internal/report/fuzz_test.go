package report

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
)

// FuzzVerify: whatever a file says that calls itself a report, it is looked at to its end, and no signature holds that
// nobody of the lab file has made.
func FuzzVerify(f *testing.F) {
	for _, s := range []string{`{}`, `{"run":"r1","approvers":{"need":-1,"of":null},"requester":{"name":"ann","ssh":"x"}}`,
		`{"run":"r1","lab":"home","runbook":"power-down","hash":"ab","approvers":{"need":2,"of":[{"name":"ann","key":"x"}]},"approvals":[{"name":"ann","hash":"","text":"nightshift approval\n\nlab: home\n","ssh":"-----BEGIN SSH SIGNATURE-----"}],"counts":{"done":1},"steps":[{"id":"a","state":"done"}]}`} {
		f.Add([]byte(s))
	}
	stranger := []plan.Approver{{Name: "ann", Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Report
		if json.Unmarshal(b, &r) != nil {
			return
		}
		for _, people := range [][]plan.Approver{nil, {}, stranger} {
			for _, want := range []*plan.Approvers{nil, {Need: 2, Of: stranger}} {
				for _, c := range r.Verify(people, want, "f1") {
					require.NotEmpty(t, c.What)
					require.False(t, c.Holds && people != nil && strings.Contains(c.What, " approved plan "), "%+v", c)
				}
			}
		}
		r.Text(io.Discard)
		_, err := json.Marshal(r)
		require.NoError(t, err)
	})
}
