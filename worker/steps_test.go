package worker

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// stepsSpec is the small lab with what step runbooks need beside.
func stepsSpec() simlab.Spec {
	s := simlab.SmallSpec()
	s.Clusters[0].Evacuates = true
	for i := range s.Guests {
		s.Guests[i].Login = true
	}
	s.Machines = []simlab.MachineSpec{{Name: "vcsa", Appliance: true, Takes: map[string]simlab.Ending{
		"true": {}, "fail": {Status: 3, Output: "no space left\n"}, "slow": {After: time.Hour}, "/bin/sh": {Output: "done\n"},
	}}}
	return s
}

// library writes step runbooks beside the lab file.
func (s *site) library(books map[string]string) {
	s.Helper()
	dir := filepath.Join(s.file.Dir, "runbooks")
	require.NoError(s, os.MkdirAll(dir, 0o700))
	for name, body := range books {
		require.NoError(s, os.WriteFile(filepath.Join(dir, name+".yaml"), []byte("name: "+name+"\ndescription: x\n"+body), 0o600))
	}
}

func (s *site) steps(runbook string, parameters map[string]string) client.WorkflowRun {
	s.Helper()
	return s.begin(runbook+time.Now().Format("-150405.000000"), plan.StepsWorkflow, runbook, runapi.Params{Parameters: parameters})
}

func (s *site) tell(run client.WorkflowRun, verb string, o runapi.Order) error {
	s.Helper()
	o.By = "bob@desk"
	h, err := s.client.UpdateWorkflow(s.Context(), client.UpdateWorkflowOptions{WorkflowID: run.GetID(), UpdateName: verb, Args: []any{o}, WaitForStage: client.WorkflowUpdateStageCompleted})
	if err != nil {
		return err
	}
	return h.Get(s.Context(), nil)
}

func (s *site) blocked(run client.WorkflowRun, n int) runapi.Sheet {
	s.Helper()
	var sheet runapi.Sheet
	require.Eventually(s, func() bool {
		sheet = s.sheetOf(run)
		return sheet.Blocked == n || sheet.Outcome != ""
	}, time.Minute, 20*time.Millisecond)
	require.Equal(s, n, sheet.Blocked, "%s %v", sheet.Why, sheet.Notes)
	return sheet
}

// Every shipped runbook, on a simulated lab.
func TestShippedStepRunbooks(t *testing.T) {
	t.Parallel()
	s := newSite(t, stepsSpec())
	done := func(runbook string, parameters map[string]string) runapi.Sheet {
		t.Helper()
		sheet := s.result(s.steps(runbook, parameters))
		require.Equal(t, runapi.Done, sheet.Outcome, "%s: %s %v", runbook, sheet.Why, sheet.Notes)
		require.Empty(t, s.ledger().Debts)
		return sheet
	}

	for range 2 { // the second time CBT is on at first
		done("cbt-reset", map[string]string{"guests": "web01,spare", "unmap": "keep"})
	}
	require.Equal(t, 2, s.lab.Count("ReconfigVM_Task:changeTracking=true", "web01"))
	require.Equal(t, 1, s.lab.Count("ReconfigVM_Task:changeTracking=false", "web01"))
	require.Equal(t, 4, s.lab.Count("CreateSnapshot_Task", "web01"))
	require.Zero(t, s.lab.Count("CreateSnapshot_Task", "spare"), "it is off")

	done("cbt-reset", map[string]string{"guests": "web01", "unmap": "disable"})
	require.Equal(t, []string{`C:\Windows\System32\fsutil.exe behavior set DisableDeleteNotify 1`}, s.lab.Programs("web01"))

	sheet := done("l1tf-options", nil)
	require.Equal(t, "VMkernel.Boot.hyperthreadingMitigation = false", sheet.Notes["report:esx21/mitigation"])
	done("l1tf-options", map[string]string{"mode": "suppress", "hosts": "esx22"})
	require.Equal(t, 1, s.lab.Count("UpdateOptions:UserVars.SuppressHyperthreadWarning=1", "esx22"))
	done("l1tf-options", map[string]string{"mode": "protect"})
	for name, h := range s.lab.Hosts() {
		require.False(t, h.Maintenance, name)
		require.Equal(t, 1, s.lab.Count("RebootHost_Task", name))
	}
	for name, g := range s.lab.Guests() {
		require.Zero(t, g.Crashes, name)
	}

	done("guest-repair-sysprep", map[string]string{"guest": "db01"})
	require.Contains(t, s.lab.Programs("db01"), `C:\Windows\System32\reg.exe add "HKLM\SYSTEM\CurrentControlSet\Control\Session Manager" /v BootExecute /t REG_MULTI_SZ /d "autocheck autochk *" /f`)

	sheet = done("vcsa-restart-services", map[string]string{"machine": "vcsa"})
	require.Contains(t, sheet.Notes["look"], "Running")
	require.Equal(t, 1, s.lab.Count("service-control --stop --all", "vcsa"))
	require.True(t, s.lab.VCenterUp())
}

func TestRunbooksOfOnesOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, stepsSpec())
	s.library(map[string]string{
		"asks":  "steps:\n  - {id: ask, uses: confirm, with: {message: \"Really?\"}}\n  - {id: do, uses: ssh/run, with: {at: vcsa, run: [\"true\"]}}\n",
		"late":  "steps:\n  - {id: ask, uses: confirm, with: {message: \"Really?\"}, timeout: 1s}\n  - {id: do, uses: ssh/run, with: {at: vcsa, run: [\"true\"]}}\n",
		"fails": "steps:\n  - {id: do, uses: ssh/run, with: {at: vcsa, run: [fail, \"a b\"]}}\n",
		"reads": "steps:\n  - {id: do, uses: ssh/run, with: {at: vcsa, run: [fail], changes: false, success: [3]}}\n",
		"opens": "steps:\n  - {id: in, uses: host/enterMaintenance, with: {host: esx22, evacuate: true}}\n  - {id: do, uses: ssh/run, with: {at: vcsa, run: [fail]}}\n",
		"sh":    "parameters:\n  - {name: p, type: string}\nsteps:\n  - {id: do, uses: ssh/run, with: {at: vcsa, shell: true, script: \"echo $1\", args: [\"${p}\"]}}\n",
	})
	count := func(line string) int { return s.lab.Count(line, "vcsa") }

	t.Run("a yes", func(t *testing.T) {
		run := s.steps("asks", nil)
		sheet := s.blocked(run, 1)
		require.Contains(t, sheet.Notes["ask"], "Really?")
		require.ErrorContains(t, s.tell(run, runapi.Retry, runapi.Order{Steps: []string{"ask"}}), "nightshift confirm")
		require.ErrorContains(t, s.tell(run, runapi.Skip, runapi.Order{Steps: []string{"ask"}, Reason: "x"}), "nightshift confirm")
		require.ErrorContains(t, s.tell(run, runapi.Replan, runapi.Order{}), "not planned anew")
		require.Zero(t, count("true"))
		require.NoError(t, s.tell(run, runapi.Confirm, runapi.Order{Steps: []string{"ask"}, Reason: "looked"}))
		sheet = s.result(run)
		require.Equal(t, runapi.Done, sheet.Outcome, sheet.Why)
		require.Equal(t, "confirmed by bob@desk", sheet.Notes["ask"])
		require.Equal(t, "yes", sheet.Decisions[0].Verdict)
		require.Equal(t, 1, count("true"))
		record(t, s.client, run.GetID(), "steps-question")
	})
	t.Run("silence is no, whatever the run does with failures", func(t *testing.T) {
		run := s.begin("late", plan.StepsWorkflow, "late", runapi.Params{OnFailure: plan.Skip})
		sheet := s.result(run)
		require.Equal(t, runapi.Aborted, sheet.Outcome)
		require.Contains(t, sheet.Why, "nobody said yes")
		require.Equal(t, 1, count("true"))
	})
	t.Run("a command that fails is asked about, and never repeated by itself", func(t *testing.T) {
		run := s.steps("fails", nil)
		sheet := s.blocked(run, 1)
		require.Contains(t, sheet.Notes["do"], "no space left")
		require.ErrorContains(t, s.tell(run, runapi.Confirm, runapi.Order{Steps: []string{"do"}}), "does not ask")
		require.NoError(t, s.tell(run, runapi.Skip, runapi.Order{Steps: []string{"do"}, Reason: "by hand"}))
		require.Equal(t, runapi.Partial, s.result(run).Outcome)
		require.Equal(t, 1, count("fail 'a b'"))
	})
	t.Run("an answer that is lost", func(t *testing.T) {
		defer s.lab.Inject(simlab.Fault{System: "ssh:vcsa", Verb: "true", Kind: simlab.LoseAnswer, Times: 1})()
		before := count("true")
		run := s.steps("asks", nil)
		s.blocked(run, 1)
		require.NoError(t, s.tell(run, runapi.Confirm, runapi.Order{Steps: []string{"ask"}}))
		var sheet runapi.Sheet
		require.Eventually(t, func() bool { sheet = s.sheetOf(run); return sheet.Notes["do"] != "" }, time.Minute, 20*time.Millisecond)
		require.Contains(t, sheet.Notes["do"], "unclear")
		require.Equal(t, before+1, count("true"), "it is not sent again by itself")
		require.NoError(t, s.tell(run, runapi.Abort, runapi.Order{Reason: "x"}))
		s.result(run)
	})
	t.Run("what only reads", func(t *testing.T) {
		sheet := s.result(s.steps("reads", nil))
		require.Equal(t, runapi.Done, sheet.Outcome, "%v", sheet.Notes)
		require.Contains(t, sheet.Notes["do"], "exit status 3")
	})
	t.Run("maintenance mode is given back after an abort", func(t *testing.T) {
		run := s.steps("opens", nil)
		s.blocked(run, 1)
		require.True(t, s.lab.Hosts()["esx22"].Maintenance)
		require.NoError(t, s.tell(run, runapi.Abort, runapi.Order{Reason: "enough"}))
		require.Equal(t, runapi.Aborted, s.result(run).Outcome)
		require.False(t, s.lab.Hosts()["esx22"].Maintenance)
		require.Empty(t, s.ledger().Debts)
		record(t, s.client, run.GetID(), "steps-aborted")
	})
	t.Run("no shell reads a parameter", func(t *testing.T) {
		sheet := s.result(s.steps("sh", map[string]string{"p": "'; reboot; '"}))
		require.Equal(t, runapi.Done, sheet.Outcome, "%v", sheet.Notes)
		require.Equal(t, 1, count(`/bin/sh -c 'echo $1' sh ''\''; reboot; '\'''`))
	})
	t.Run("an edited file is drift", func(t *testing.T) {
		reply := s.preview("reads")
		s.library(map[string]string{"reads": "# a remark\nsteps:\n  - {id: do, uses: ssh/run, with: {at: vcsa, run: [fail], changes: false, success: [3]}}\n"})
		run := s.begin("drift", plan.StepsWorkflow, "reads", runapi.Params{PlanHash: reply.Hash})
		require.Equal(t, runapi.Refused, s.result(run).Outcome)
	})
}

func (s *site) preview(runbook string) (reply plan.Reply) {
	s.Helper()
	run, err := s.client.ExecuteWorkflow(s.Context(), client.StartWorkflowOptions{ID: "preview-" + runbook, TaskQueue: plan.TaskQueue(s.file.Lab)}, runapi.PlanType,
		plan.Request{Runbook: runbook, Lab: s.file.Lab})
	require.NoError(s, err)
	require.NoError(s, run.Get(s.Context(), &reply))
	record(s.T, s.client, run.GetID(), "plan")
	return reply
}

// A worker that dies while a command runs: nobody knows how it ended, so it is not run again.
func TestAWorkerDiesWhileACommandRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t, stepsSpec())
	s.library(map[string]string{"slow": "steps:\n  - {id: do, uses: ssh/run, with: {at: vcsa, run: [slow]}, timeout: 10h}\n"})
	run := s.steps("slow", nil)
	require.Eventually(t, func() bool { return s.lab.Count("slow", "vcsa") == 1 }, time.Minute, 10*time.Millisecond)
	s.worker.Stop()
	file, err := inventory.Load(s.file.Path)
	require.NoError(t, err)
	s.file = file
	s.start()
	sheet := s.blocked(run, 1)
	require.Contains(t, sheet.Notes["do"], "unclear")
	require.Equal(t, 1, s.lab.Count("slow", "vcsa"))
	require.NoError(t, s.tell(run, runapi.Abort, runapi.Order{Reason: "x"}))
	s.result(run)
}

// A guest's login that is refused is sent once, however many steps would send it.
func TestAGuestsLoginIsTriedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, stepsSpec())
	secret := filepath.Join(s.file.Dir, "secrets", "web01.login")
	require.NoError(t, os.WriteFile(secret, []byte("wrong\n"), 0o600))
	s.library(map[string]string{"runs": "steps:\n  - {id: a, uses: guest/run, with: {guest: web01, run: [/bin/x]}}\n  - {id: b, needs: [], uses: guest/run, with: {guest: web01, run: [/bin/y]}}\n"})
	run := s.steps("runs", nil)
	sheet := s.blocked(run, 2)
	require.Contains(t, sheet.Notes["a"]+sheet.Notes["b"], "not tried again")
	require.Equal(t, 1, s.lab.Count("StartProgramInGuest", "web01"))
	require.NotContains(t, sheet.Notes["a"]+sheet.Notes["b"], "wrong")
	require.NoError(t, s.tell(run, runapi.Abort, runapi.Order{Reason: "x"}))
	s.result(run)
}
