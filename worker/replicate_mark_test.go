package worker

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/internal/simlab/storage"
)

// markOf is what the mark of group mail is set to; "-": nobody works on it.
func (s *site) markOf() string {
	s.Helper()
	var out strings.Builder
	exit := s.lab.StorageHost("ss2").Run(s.Context(), "root", []string{"zfs", "get", "-H", "-o", "value", "nightshift:mark.mail", "backup/ss1"}, storage.Streams{Out: &out})
	require.Equal(s, "ok", exit.String())
	return strings.TrimSpace(out.String())
}

// stuck is a replication that has marked its group, and waits for a person in the midst of it.
func (s *site) stuck() (run client.WorkflowRun, mend func()) {
	s.Helper()
	mend = s.lab.Inject(simlab.Fault{System: "ssh:ss1", Verb: "zfs bookmark", Kind: simlab.Error, Status: 1})
	run = s.replicate("mail")
	s.blocked(run, 1)
	require.Contains(s, s.markOf(), "run="+run.GetID()+" by="+s.name)
	return run, mend
}

// refusedBeside makes sure that another nightshift neither replicates nor prunes the group, and changes nothing.
func (s *site) refusedBeside(by string) {
	s.Helper()
	mark, calls := s.markOf(), len(s.lab.Calls())
	for _, begin := range []func() client.WorkflowRun{func() client.WorkflowRun { return s.replicate("mail") }, func() client.WorkflowRun {
		return s.begin("prune"+time.Now().Format("-150405.000000"), plan.PruneWorkflow, "prune", runapi.Params{Parameters: map[string]string{plan.ParamGroup: "mail"}})
	}} {
		sheet := s.result(begin())
		require.Equal(s, runapi.Refused, sheet.Outcome, sheet.Why)
		require.Len(s, sheet.Blockers, 1)
		b := sheet.Blockers[0]
		require.Equal(s, "group mail", b.Subject)
		require.Contains(s, b.Text, "another nightshift works on it: "+by+", with run replicate-")
		require.Contains(s, b.Text, ", since 20")
		require.Contains(s, b.Remedy, "take its mark off: zfs inherit nightshift:mark.mail backup/ss1 (on ss2)")
	}
	require.Equal(s, mark, s.markOf())
	require.Len(s, s.lab.Calls(), calls, "nothing was changed")
}

// An old laptop and the server, with a ledger each, on one lab: the lock of one says nothing to the other, the mark does.
func TestTwoNightshiftsOnOneGroup(t *testing.T) {
	t.Parallel()
	spec := simlab.StorageSpec()
	spec.StorageHosts[0].Datasets = []simlab.DatasetSpec{{Name: "tank/mail", SizeGB: 16, UsedGB: 1}}
	spec.Groups = spec.Groups[:1]
	spec.Groups[0].Datasets = []string{"tank/mail"}
	s := newSite(t, spec)
	o := s.beside("laptop")

	// While a run of one works on the group, the other is refused; when it has ended, it is not.
	run, mend := s.stuck()
	o.refusedBeside("test")
	mend()
	require.NoError(t, s.tell(run, runapi.Retry, runapi.Order{Steps: []string{"keep:mail"}}))
	sheet := s.result(run)
	require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
	require.Equal(t, "-", s.markOf())
	sheet = o.result(o.replicate("mail"))
	require.Equal(t, runapi.Done, sheet.Outcome, "%s %v", sheet.Why, sheet.Blockers)
	require.Equal(t, "-", s.markOf())

	// A run that is aborted takes it off, too.
	run, mend = s.stuck()
	require.NoError(t, s.tell(run, runapi.Abort, runapi.Order{Reason: "enough"}))
	require.Equal(t, runapi.Aborted, s.result(run).Outcome)
	require.Equal(t, "-", s.markOf())
	mend()

	// One that was terminated does not: the next one of the same nightshift takes it over.
	run, mend = s.stuck()
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), run.GetID(), "", "impatience"))
	s.change(ledger.Change{By: "ann@desk", Unlock: &ledger.Unlock{Workflow: run.GetID(), Reason: "looked at it"}})
	o.refusedBeside("test")
	mend()
	require.Equal(t, runapi.Done, s.result(s.replicate("mail")).Outcome)
	require.Equal(t, "-", s.markOf())

	// A nightshift that is no more has left its mark: a person takes it off, as the error says. Were it there all the same, it stops.
	run, mend = o.stuck()
	mend()
	s.refusedBeside("laptop")
	exit := s.lab.StorageHost("ss2").Run(t.Context(), "root", []string{"zfs", "inherit", "nightshift:mark.mail", "backup/ss1"}, storage.Streams{})
	require.Equal(t, "ok", exit.String())
	require.Equal(t, runapi.Done, s.result(s.replicate("mail")).Outcome)
	require.NoError(t, o.tell(run, runapi.Retry, runapi.Order{Steps: []string{"keep:mail"}}))
	require.Contains(t, o.blocked(run, 1).Notes["keep:mail"], "somebody took it off")
}
