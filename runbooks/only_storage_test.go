package runbooks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// onlyStorage is storageLab without a vCenter and hosts.
func onlyStorage() *fixture {
	f := storageLab()
	f.lab.VCenters, f.lab.Hosts = nil, nil
	return f
}

func TestWithoutHostsThereIsNothingToPowerDownOrUp(t *testing.T) {
	for _, name := range []string{runbooks.PowerDown, runbooks.PowerUp} {
		f := onlyStorage()
		f.lab.Monitoring = []inventory.Monitoring{{Name: "zabbix"}}
		p := f.plan(t, name)
		require.Equal(t, "Nothing to do: everything is left alone (the lab file has no hosts, so there is nothing to power down or up)", p.Title)
		require.Empty(t, p.Steps)
		require.Empty(t, p.Blockers)
		require.Empty(t, p.Warnings)
		for kind, says := range map[string]string{"host": "the lab has no such host; there is none", "cluster": "no vCenter has such a cluster; there is none", "vm": "no vCenter has such a guest; there is none"} {
			f.params = map[string]string{kind: "esx1"}
			require.Equal(t, says, f.plan(t, name).Blockers[0].Text)
		}
	}
	p := onlyStorage().plan(t, runbooks.Settle)
	require.Equal(t, "Nothing to do: lab home is owed nothing", p.Title)
}

// Without hosts nothing is down that monitoring would have to wait for.
func TestMonitoringIsSettledWithoutHosts(t *testing.T) {
	f := onlyStorage()
	f.lab.Monitoring = []inventory.Monitoring{{Name: "zabbix"}}
	f.ledger = ledger.State{Debts: []plan.Debt{{ID: plan.MonitoringDebt("zabbix"), Setting: plan.Watch, Target: plan.Target{Kind: plan.Watcher, Name: "zabbix"}, Since: at}}}
	p := f.plan(t, runbooks.Settle)
	require.Equal(t, []string{"resume-monitoring:zabbix"}, ids(p.Steps))
	require.Empty(t, p.Warnings)
}

func TestLUNsWithoutAVCenter(t *testing.T) {
	f := onlyStorage()
	require.Equal(t, "Map the LUNs of lab home: 2 storage hosts", f.plan(t, runbooks.LUNMap).Title)
	f.lab.StorageHosts = f.lab.StorageHosts[2:]
	p := f.plan(t, runbooks.LUNMap)
	require.Equal(t, "Map the LUNs of lab home: blocked", p.Title)
	require.Contains(t, p.Blockers[0].Text, "nobody tells of LUNs")
	require.Empty(t, p.Steps)
}

func TestTheStartOrderWithoutAVCenter(t *testing.T) {
	f := onlyStorage()
	require.Equal(t, runbooks.Graph{}, runbooks.StartOrder(f.lab, &live.State{At: at}))
}

// Every runbook makes a plan of such a lab, or says why not.
func TestEveryRunbookPlansALabWithoutAVirtualSide(t *testing.T) {
	for _, r := range runbooks.Catalog() {
		t.Run(r.Name, func(t *testing.T) {
			f := onlyStorage()
			f.params = map[string]string{}
			for _, q := range r.Parameters {
				if q.Required {
					f.params[q.Name] = "x"
				}
			}
			p, err := r.Plan(f.input())
			if err != nil {
				var wrong *runbooks.ParameterError
				require.ErrorAs(t, err, &wrong)
				return
			}
			for _, s := range p.Steps {
				require.NotEqual(t, plan.Host, s.Target.Kind)
				require.NotEqual(t, plan.Guest, s.Target.Kind)
			}
		})
	}
}
