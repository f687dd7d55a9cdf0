package runbooks_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

func TestCatalog(t *testing.T) {
	types := map[string]string{"power-down": "PowerDown", "power-up": "PowerUp", "settle": "Settle", "replicate": "Replicate", "prune": "Prune", "lun-map": "LUNMap", "vmfs-inspect": "VMFSInspect", "vmfs-backup": "VMFSBackup", "vmfs-restore-partition": "VMFSRestorePartition"}
	var names []string
	for _, r := range runbooks.Catalog() {
		names = append(names, r.Name)
		if r.Steps() {
			require.Equal(t, "Steps", r.Workflow)
			require.Equal(t, runbooks.SourceLibrary, r.Source)
		} else {
			require.Equal(t, types[r.Name], r.Workflow)
		}
		require.Contains(t, plan.RunWorkflows(), r.Workflow)
		require.Equal(t, r.ReadOnly, len(runapi.Params{Runbook: r.Name}.Scopes()) == 0, "%s: what only looks takes no lock", r.Name)
		for _, a := range r.Actions {
			require.False(t, r.ReadOnly && plan.Step{Action: a}.Changes(), "%s: %s changes something", r.Name, a)
		}
		require.NotEmpty(t, r.Summary)
		require.NotEmpty(t, r.Description)
		_, known := plan.RightsOf(r.Actions)
		require.True(t, known && len(r.Actions) > 0, "which rights does %s need?", r.Name)
	}
	require.Equal(t, inventory.RunbookNames(), names)
	_, ok := runbooks.Lookup("make-coffee")
	require.False(t, ok)
}

func TestParameters(t *testing.T) {
	r := runbooks.Runbook{Name: "x", Parameters: []runbooks.Parameter{{Name: "yes", Type: runbooks.TypeBool}, {Name: "n", Type: runbooks.TypeInt},
		{Name: "d", Type: runbooks.TypeDuration}, {Name: "s", Type: runbooks.TypeString}, {Name: "one", Type: runbooks.TypeString, Allowed: []string{"a", "b"}}}}
	for name, value := range map[string]string{"yes": "yep", "n": "1.5", "d": "5", "one": "c", "other": "x"} {
		_, err := r.Check(map[string]string{name: value})
		var p *runbooks.ParameterError
		require.True(t, errors.As(err, &p), "%s=%s", name, value)
		require.Equal(t, name, p.Parameter)
	}
	_, err := r.Check(map[string]string{"other": "x"})
	require.EqualError(t, err, `runbook x, parameter "other": there is no such parameter; there are: yes, n, d, s, one`)
	given, err := r.Check(map[string]string{"yes": "true", "n": "3", "d": "90s", "one": "a", "s": " "})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"yes": "true", "n": "3", "d": "90s", "one": "a"}, given)
}

func TestWrongInput(t *testing.T) {
	r, _ := runbooks.Lookup(runbooks.PowerDown)
	_, err := r.Plan(runbooks.Input{})
	require.ErrorContains(t, err, "no lab file or no live state")
	in := homeLab().input()
	in.Parameters = map[string]string{"tag": "T"}
	_, err = r.Plan(in)
	require.ErrorContains(t, err, `runbook power-down, parameter "tag"`)
}
