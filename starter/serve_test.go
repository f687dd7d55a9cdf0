package main

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/engine"
	"nightshift/internal/inventory"
	"nightshift/internal/runapi"
)

// At serve's terminal one reads what became of runs, and nothing of how the parts talk to each other.
func TestServeLogsBlockedStepsAndEndsInALineEach(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	log := c.logger(logOptions{}).With("Namespace", "default", "WorkflowID", runA)
	log.Info(runapi.LogBlocked, "step", "shutdown-guest:web01", "title", "Shut down guest web01", "why", "ShutdownGuest of guest web01: it is\nstill on")
	log.Info(runapi.LogEnded, "outcome", runapi.Aborted, "why", "aborted by ann: storm")
	log.Error("Activity error.", "Error", "still on")
	log.Warn("GetHistory page size is larger than threshold")
	log.Info("Started Worker")
	require.Equal(t, "22:00:00 run "+runA+": Shut down guest web01 is blocked: it is still on\n22:00:00 run "+runA+": aborted: by ann: storm\n", c.stderr.String())
	log.Warn("the disk is slow")
	require.Contains(t, c.stderr.String(), `msg="the disk is slow"`)

	c.stderr.Reset()
	c.logger(logOptions{json: true}).Info(runapi.LogEnded, "lab", "home", "outcome", runapi.Done)
	require.Regexp(t, `^{"time":"[^"]+","level":"INFO","msg":"a run has ended","lab":"home","outcome":"done"}\n$`, c.stderr.String())

	c.stderr.Reset()
	c.logger(logOptions{verbose: true}).Error("Activity error.", "Error", "still on")
	require.Contains(t, c.stderr.String(), "Activity error.")
}

func TestServeSaysWhichSecretsCannotBeHad(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	t.Setenv("VC1_PASSWORD", "hunter2")
	t.Setenv("BMC_PASSWORD", "")
	lab, err := inventory.Load("lab.yaml")
	require.NoError(t, err)
	lab.StorageHosts = []inventory.StorageHost{{Name: "ss1", Target: &inventory.StorageTarget{CHAP: []inventory.TargetCHAP{{User: "esx", Secret: "env:VC1_PASSWORD", MutualUser: "ss1", MutualSecret: "env:SS1_CHAP"}}}}, {Name: "ss2"}}
	known := inventory.SSH{Address: "ss1", User: "zfsadm", HostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ", Key: "nokeythere"}
	lab.StorageHosts[0].SSH, lab.StorageHosts[1].SSH = known, known
	c.warnOfSecrets(t.Context(), lab)
	require.Contains(t, c.stderr.String(), "the CHAP secret of storage host ss1: the environment variable SS1_CHAP is not set")
	require.Contains(t, c.stderr.String(), "the password of BMC of esx21: the environment variable BMC_PASSWORD is not set")
	require.Contains(t, c.stderr.String(), "the login of storage host ss1: its key: open ")
	require.Equal(t, 3, strings.Count(c.stderr.String(), "Warning:"), "a key that both need is one thing to do")
	require.NotContains(t, c.stderr.String(), "hunter2")
}

func TestServeSaysWhatToTryInThisLab(t *testing.T) {
	lab := &inventory.Lab{}
	require.Equal(t, []string{"runbook list           what can it do?", "status"}, firstVerbs(lab))
	lab.ProtectionGroups = []inventory.ProtectionGroup{{Name: "mail"}}
	require.Equal(t, []string{"plan replicate -p group=mail   what would it do?", "run replicate -p group=mail    do it", "status"}, firstVerbs(lab))
	lab.Hosts = []inventory.Host{{Name: "esx21"}}
	require.Len(t, firstVerbs(lab), 5)
}

// A simulated lab gives way where a real nightshift has the usual ports.
func TestAPortThatIsTakenIsNotUsed(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(engine.DefaultIP, "0"))
	require.NoError(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it listens by TCP
	require.Zero(t, freeOr(port))
}

func TestRunsCallsABlockedRunBlocked(t *testing.T) {
	lab := busyLab()
	c := newConsole(t, lab)
	require.Equal(t, exitDone, c.run("runs"), c.stderr)
	require.Contains(t, c.stdout.String(), "blocked, waits for you")
}
