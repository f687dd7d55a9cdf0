package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// A row of lab check is short, and names one remedy: the right one of two that look alike.
func TestRowsOfLabCheckAreShort(t *testing.T) {
	a, b := strings.Repeat("AA:", 31)+"AA", strings.Repeat("BB:", 31)+"BB"
	pinned := inventory.TLS{Fingerprint: b}
	for name, tc := range map[string]struct {
		tls          inventory.TLS
		err          error
		text, remedy string
	}{
		"not recorded": {inventory.TLS{}, fault.As(fault.Identity, fmt.Errorf("BMC of esx21 (https://10.0.0.1): opening /redfish/v1/: the certificate of BMC of esx21 (10.0.0.1) cannot be trusted: x509: unknown; its fingerprint is %s: run `nightshift lab trust` to compare and record it", a)),
			"its certificate is not recorded yet: it shows AA:AA:AA:AA…", "nightshift lab trust"},
		"changed": {pinned, fault.As(fault.Identity, fmt.Errorf("BMC of esx21 (https://10.0.0.1): it shows another certificate than the lab file has: it shows %s, recorded is %s; if it was renewed …", a, b)),
			"its certificate CHANGED: it shows AA:AA:AA:AA…, recorded is BB:BB:BB:BB…", "renewed on purpose? nightshift lab trust --replace; else somebody may be in between"},
		"no variable": {pinned, fault.As(fault.Invalid, errors.New("BMC of esx21: its password: the environment variable BMC_PW is not set, or empty: set it where nightshift runs")),
			"its password: the environment variable BMC_PW is not set, or empty", "set BMC_PW where `nightshift serve` runs (and here)"},
		"anything else": {pinned, fault.As(fault.Unreachable, errors.New("BMC of esx21 (https://10.0.0.1): no route to host")),
			"no route to host", "is it on, is the address right, is the way to it open?"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &checks{subject: "BMC of esx21", tls: tc.tls}
			c.fail("login", tc.err)
			require.Equal(t, []checkRow{{"BMC of esx21", "login", checkFail, tc.text, tc.remedy}}, c.rows)
		})
	}
}

func TestLabCheckCountsWarnings(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	c.showChecks([]checkRow{{State: checkOK}, {State: checkWarn}, {State: checkFail}}, false)
	require.Contains(t, c.stdout.String(), "1 of 3 checks in order, 1 warning, 1 FAILED.")
}

func TestPlanSaysThatTheLabIsLocked(t *testing.T) {
	c := newConsole(t, busyLab())
	require.Equal(t, exitDone, c.run("plan", "power-down"), c.stderr)
	require.Contains(t, c.stderr.String(), "Lab home is locked by run "+runA)
}
