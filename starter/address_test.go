package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/statedir"
)

// published is a state directory that this process serves.
func published(t *testing.T, path, temporal, lab string) string {
	t.Helper()
	d, err := statedir.Open(path)
	require.NoError(t, err)
	require.NoError(t, d.Lock(t.Context()))
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Publish(statedir.Address{Temporal: temporal, Namespace: "default", UI: "http://127.0.0.1:8233/", Lab: lab, PID: os.Getpid()}))
	return path
}

func TestAddressComesFromFlagsThenEnvironmentThenStateDirectory(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	dir := published(t, t.TempDir(), "127.0.0.1:4001", "home")
	resolve := func(env fakeEnv, o globalOptions) (where, error) {
		c.env, c.global = env, o
		return c.resolve()
	}
	inDir := fakeEnv{"NIGHTSHIFT_STATE_DIR": dir}
	inEnv := fakeEnv{"NIGHTSHIFT_STATE_DIR": dir, "TEMPORAL_ADDRESS": "env.lab:7233", "TEMPORAL_NAMESPACE": "ops", "TEMPORAL_API_KEY": "k"}

	w, err := resolve(inEnv, globalOptions{temporal: temporalOptions{address: "flag.lab:7233"}})
	require.NoError(t, err)
	require.Equal(t, "flag.lab:7233", w.Options.HostPort)
	require.Equal(t, "ops", w.Options.Namespace, "what no flag says, the environment does")

	w, err = resolve(inEnv, globalOptions{})
	require.NoError(t, err)
	require.Equal(t, "env.lab:7233", w.Options.HostPort)
	require.NotNil(t, w.Options.ConnectionOptions.TLS, "an API key goes by TLS only")

	w, err = resolve(inDir, globalOptions{})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:4001", w.Options.HostPort)
	require.Equal(t, "http://127.0.0.1:8233", w.UI)
	require.Equal(t, "home", w.Lab)

	_, err = resolve(fakeEnv{"NIGHTSHIFT_STATE_DIR": t.TempDir()}, globalOptions{})
	require.ErrorIs(t, err, errNothingRuns, "there is no default port")
}

func TestSimulatedEngineIsFoundBelowTheStateDirectory(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	dir := t.TempDir()
	published(t, simulatedDir(dir), "127.0.0.1:4002", "simulated")
	c.env = fakeEnv{"NIGHTSHIFT_STATE_DIR": dir}
	w, err := c.resolve()
	require.NoError(t, err)
	require.True(t, w.Simulated)
	name, err := c.labName(w)
	require.NoError(t, err)
	require.Equal(t, "simulated", name, "the lab file that lies around is about another lab")
}

// The demo asks for an answer from another terminal, wherever that is.
func TestTheDemoIsFoundWhereAnotherLabFileLies(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	for speed, want := range map[float64]string{30: "demo", 0: ""} {
		state := t.TempDir()
		d, err := statedir.Open(state)
		require.NoError(t, err)
		require.NoError(t, d.Lock(t.Context()))
		require.NoError(t, d.Publish(statedir.Address{Temporal: "127.0.0.1:4004", Lab: "demo", Speed: speed, PID: os.Getpid()}))
		c.env = fakeEnv{"NIGHTSHIFT_STATE_DIR": state}
		w, err := c.resolve()
		require.NoError(t, err)
		name, err := c.labName(w)
		require.Equal(t, want, name)
		require.Equal(t, speed == 0, err != nil, "a real one is not taken for the lab of the file that lies here")
		require.NoError(t, d.Close())
	}
}

func TestLabVerbsKnowTheLabFileOfTheRunningEngine(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	require.NoError(t, os.Remove("lab.yaml"))
	state, file := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere.yaml")
	writeLab(t, file, "served")
	c.env = fakeEnv{"NIGHTSHIFT_STATE_DIR": state, "XDG_CONFIG_HOME": t.TempDir()}
	_, err := c.loadLab()
	require.ErrorContains(t, err, "there is no lab file")
	d, err := statedir.Open(state)
	require.NoError(t, err)
	require.NoError(t, d.Lock(t.Context()))
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Publish(statedir.Address{Temporal: "127.0.0.1:4003", Lab: "served", LabFile: file, PID: os.Getpid()}))
	lab, err := c.loadLab()
	require.NoError(t, err)
	require.Equal(t, "served", lab.Lab)
}

func TestBadAddresses(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	require.Equal(t, exitUsage, c.run("status", "--temporal-address", "no-port"))
	c.env = fakeEnv{"NIGHTSHIFT_STATE_DIR": t.TempDir()}
	require.Equal(t, exitUsage, c.run("status", "--temporal-tls-ca", "ca.pem"))
	require.Equal(t, exitFailed, c.run("status"))
	require.Equal(t, "nightshift: "+errNothingRuns.Error()+"; looked in the state directory "+c.getenv("NIGHTSHIFT_STATE_DIR")+"\n", c.stderr.String())
}

func TestLabFileOrder(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	config := t.TempDir()
	writeLab(t, filepath.Join(config, "nightshift", "lab.yaml"), "by-config")
	writeLab(t, "env.yaml", "by-env")
	writeLab(t, "flag.yaml", "by-flag")
	name := func(args globalOptions, env fakeEnv) string {
		c.global, c.env = args, env
		lab, err := c.loadLab()
		require.NoError(t, err)
		return lab.Lab
	}
	env := fakeEnv{"NIGHTSHIFT_LAB": "env.yaml", "XDG_CONFIG_HOME": config}
	require.Equal(t, "by-flag", name(globalOptions{lab: "flag.yaml"}, env))
	require.Equal(t, "by-env", name(globalOptions{}, env))
	require.Equal(t, "home", name(globalOptions{}, fakeEnv{"XDG_CONFIG_HOME": config}))
	t.Chdir(t.TempDir())
	require.Equal(t, "by-config", name(globalOptions{}, fakeEnv{"XDG_CONFIG_HOME": config}))
}

// A run on another lab than the one that was meant is the worst that can happen in this package.
func TestALabFileOfAnotherLabThanTheEnginesIsRefused(t *testing.T) {
	lab := &fakeLab{}
	c := newConsole(t, lab)
	c.env = fakeEnv{"NIGHTSHIFT_STATE_DIR": published(t, t.TempDir(), "127.0.0.1:4003", "away")}
	require.Equal(t, exitFailed, c.run("run", "power-down", "--yes"))
	require.Contains(t, c.stderr.String(), "serves lab away, but lab.yaml describes lab home")
	require.Empty(t, lab.started)
	t.Chdir(t.TempDir()) // without a lab file the engine's lab is meant
	w, err := c.resolve()
	require.NoError(t, err)
	name, err := c.labName(w)
	require.NoError(t, err)
	require.Equal(t, "away", name)
}

func TestUsageErrorsStartNothing(t *testing.T) {
	lab := &fakeLab{plan: littlePlan()}
	c := newConsole(t, lab)
	for _, bad := range []string{"frob", "run", "run nope", "run power-down extra", "run power-down --no-such-flag", "run power-down -p x", "run power-down -p nonsense=1",
		"run power-down --on-failure panic", "run power-down --deadline -1h", "run power-up --tag A -p tag=B", "run power-down --plan none.json",
		"status -o yaml", "runs -o tree", "runs --limit 0", "lab frob", "schedule", "watch a b", "skip", "demo --speed 0", "worker extra", "report"} {
		code := c.run(strings.Fields(bad)...)
		if bad == "schedule" { // shows its help
			require.Equal(t, exitDone, code)
			continue
		}
		require.Equal(t, exitUsage, code, "%s: %s", bad, c.stderr)
		require.Equal(t, 1, strings.Count(c.stderr.String(), "\n"), "%s: %s", bad, c.stderr)
	}
	require.Empty(t, lab.started)
}

func TestAPanicReachesNobody(t *testing.T) {
	c := newConsole(t, &fakeLab{}) // a fake without a script: the first look panics
	require.Equal(t, exitFailed, c.run("watch", "x"))
	require.Contains(t, c.stderr.String(), "this is a bug in nightshift")
	require.NotContains(t, c.stderr.String(), "goroutine")
}

func TestExitCodesAreDocumented(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	require.Equal(t, exitDone, c.run("help", "exit-codes"))
	require.Contains(t, c.stdout.String(), "5  aborted")
}
