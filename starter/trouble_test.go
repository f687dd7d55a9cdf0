package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/simlab"
)

func TestFaultsOfTheSimulatedLab(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	for _, verb := range []string{"demo", "serve"} {
		require.Equal(t, exitDone, c.run(verb, "--fault", "help"), c.stderr)
		for _, f := range simlab.Troubles() {
			require.Contains(t, c.stdout.String(), f.Name+"="+f.About)
		}
	}
	for said, want := range map[string]string{
		"guest-ignores-shutdwn=gitlab": "did you mean guest-ignores-shutdown?",
		"guest-ignores-shutdown=gitla": "did you mean gitlab?",
		"guest-ignores-shutdown":       "write guest-ignores-shutdown=GUEST with a guest of lab home",
		"host-hangs=nuc1":              "with a host of lab home",
		"host-hangs=gitlab":            "esx21, esx22",
		"target-full=mail":             "the lab storage has",
	} {
		require.Equal(t, exitUsage, c.run("demo", "--fault", said), said)
		require.Contains(t, c.stderr.String(), want, said)
	}
	require.Equal(t, exitUsage, c.run("serve", "--fault", "host-hangs=esx21"))
	require.Contains(t, c.stderr.String(), "give --simulate, too")
	list, err := troubleOptions{[]string{"host-hangs=esx21", "answer-lost=db01"}}.of(simlab.HomeSpec())
	require.NoError(t, err)
	require.Equal(t, "db01", list[1].target)
	list, err = troubleOptions{[]string{"stream-breaks=mail", "written-to=files"}}.of(simlab.StorageSpec())
	require.NoError(t, err)
	require.Equal(t, "files", list[1].target)
	_, err = troubleOptions{[]string{"written-to=mail"}}.of(simlab.StorageSpec())
	require.ErrorContains(t, err, "with a replicated protection group of lab storage: files")
}
