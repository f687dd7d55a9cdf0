package simlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/inventory"
)

func TestFaultsAtTheVCenter(t *testing.T) {
	r := newRig(t, SmallSpec())
	web, dc := r.guest("web01"), r.guest("dc01")

	r.Inject(Fault{System: "vcenter", Verb: "ShutdownGuest", Target: "dc01", Kind: Drop, Times: 1})
	require.Error(t, dc.ShutdownGuest(r.ctx))
	require.Zero(t, r.Count("ShutdownGuest", "dc01"), "it never arrived")

	r.Inject(Fault{Verb: "PowerOffVM_Task", Target: "web01", Kind: LoseAnswer, Times: 1})
	_, err := web.PowerOff(r.ctx)
	require.Error(t, err)
	require.Equal(t, 1, r.Count("PowerOffVM_Task", "web01"))
	require.True(t, r.Calls()[0].AnswerLost)
	r.until("it acted", func(l *Lab) bool { return l.Guests()["web01"].Power == guestOff })

	r.Inject(Fault{Verb: "PowerOnVM_Task", Kind: Error, SOAP: "HostCommunication", Times: 1})
	_, err = web.PowerOn(r.ctx)
	require.Equal(t, "types.HostCommunication", soapFault(t, err))
	require.Equal(t, "injected HostCommunication", r.Calls()[1].Result)
	require.Equal(t, guestOff, r.Guests()["web01"].Power)

	remove := r.Inject(Fault{Verb: "PowerOnVM_Task", Kind: Hang})
	ctx, cancel := context.WithTimeout(r.ctx, 50*time.Millisecond)
	defer cancel()
	_, err = web.PowerOn(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	remove()

	r.Inject(Fault{Verb: "PowerOnVM_Task", Kind: Delay, Delay: 50 * time.Millisecond, Times: 1})
	begin := time.Now()
	require.Equal(t, "", r.ends(web.PowerOn(r.ctx)))
	require.GreaterOrEqual(t, time.Since(begin), 50*time.Millisecond)
	require.Equal(t, 2, r.Count("PowerOnVM_Task", "web01"), "the hanging one never arrived")
}

func TestFaultsAtABMC(t *testing.T) {
	r := newRig(t, SmallSpec())
	b := r.idrac("esx21")
	r.Inject(Fault{System: "bmc:esx21", Verb: "Reset:ForceOff", Kind: LoseAnswer, Times: 1})
	_, _, err := b.do(http.MethodPost, resetPath, map[string]string{"ResetType": "ForceOff"})
	require.Error(t, err)
	require.Equal(t, off, r.Hosts()["esx21"].Power)
	require.Equal(t, 1, r.Count("Reset", "esx21"))
	r.Inject(Fault{System: "bmc:esx21", Verb: "Reset", Kind: Error, Times: 1})
	require.Equal(t, 503, b.reset("On"))
	require.Equal(t, off, r.Hosts()["esx21"].Power)
	r.Inject(Fault{System: "bmc:esx21", Verb: "GET", Kind: Error, Status: 500, Times: 1})
	status, _, err := b.do(http.MethodGet, systemPath, nil)
	require.NoError(t, err)
	require.Equal(t, 500, status)
}

func TestCutOff(t *testing.T) {
	r := newRig(t, SmallSpec())
	b := r.idrac("esx21")
	restoreBMC, restoreVC := r.CutOff("bmc:esx21", 0), r.CutOff("vcenter", 0)
	_, _, err := b.do(http.MethodGet, systemPath, nil)
	require.Error(t, err)
	require.Error(t, r.guest2("web01").err)
	require.Equal(t, "On", r.idrac("esx22").power(), "the other one is there")
	restoreBMC()
	restoreVC()
	require.Equal(t, "On", b.power())
	require.NoError(t, r.guest2("web01").err)
}

type lookup struct{ err error }

func (r *rig) guest2(name string) lookup {
	_, err := r.find.VirtualMachine(r.ctx, name)
	return lookup{err}
}

func TestTheCallIsRecordedBeforeItActs(t *testing.T) {
	var l *Lab
	var power string
	started, err := Start(context.Background(), Config{Spec: SmallSpec(), Speed: testSpeed, OnCall: func(rec Record) {
		if rec.Verb == "Reset:ForceOff" {
			power = l.Hosts()["esx21"].Power
		}
	}})
	require.NoError(t, err)
	l = started
	t.Cleanup(l.Close)
	r := &rig{Lab: l, t: t, ctx: t.Context()}
	require.Equal(t, 204, r.idrac("esx21").reset("ForceOff"))
	require.Equal(t, on, power)
}

func TestFixedPorts(t *testing.T) {
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := ln.Addr().(*net.TCPAddr).Port
	_, err = Start(context.Background(), Config{Spec: SmallSpec(), Speed: testSpeed, Ports: Ports{VCenter: port}})
	require.ErrorContains(t, err, "address already in use")
	require.NoError(t, ln.Close())
	l, err := Start(context.Background(), Config{Spec: SmallSpec(), Speed: testSpeed, Ports: Ports{VCenter: port}})
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("https://127.0.0.1:%d/sdk", port), l.VCenterURL())
	l.Close()
	l.Close()
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	l, err := Start(context.Background(), Config{Spec: SmallSpec(), Speed: 1})
	require.NoError(t, err)
	c, err := login(t.Context(), l, l.Spec().User, l.VCenterPassword())
	require.NoError(t, err)
	waited := make(chan error)
	go func() { // a client that waits for ever
		waited <- property.Wait(context.Background(), property.DefaultCollector(c.Client), c.ServiceContent.RootFolder, []string{"name"},
			func([]types.PropertyChange) bool { return false })
	}()
	r := &rig{Lab: l, t: t, ctx: t.Context()}
	require.Equal(t, 204, r.idrac("esx21").reset("ForceRestart"))
	l.Close()
	require.Error(t, <-waited)
	c.Client.CloseIdleConnections()
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, 20*time.Second, 10*time.Millisecond)
}

func TestTwoLabsAreTwo(t *testing.T) {
	a, b := newRig(t, SmallSpec()), newRig(t, func() Spec { s := SmallSpec(); s.Name = "other"; return s }())
	require.NotEqual(t, a.c.ServiceContent.About.InstanceUuid, b.c.ServiceContent.About.InstanceUuid)
	require.NotEqual(t, a.Spec().Guests[0].UUID, b.Spec().Guests[0].UUID)
	a.setVCLS("false")
	a.until("retreat", func(l *Lab) bool { return l.VCLSCount() == 0 })
	require.Equal(t, 2, b.VCLSCount())
}

func TestTheLabFile(t *testing.T) {
	r := newRig(t, HomeSpec())
	dir := t.TempDir()
	path, err := r.WriteLabFile(dir)
	require.NoError(t, err)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, s := range r.Secrets() {
		require.NotContains(t, string(b), s)
	}
	require.Len(t, r.Secrets(), 5)
	files, err := filepath.Glob(filepath.Join(dir, "secrets", "*"))
	require.NoError(t, err)
	require.Len(t, files, 5)
	for _, f := range files {
		st, err := os.Stat(f)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), st.Mode().Perm())
		secret, err := os.ReadFile(f)
		require.NoError(t, err)
		require.Contains(t, r.Secrets(), strings.TrimSpace(string(secret)))
	}
	lab, err := inventory.Load(path)
	require.NoError(t, err, "%s", b)
	require.Len(t, lab.Hosts, 5)
	g, ok := lab.Guest("vcenter", "stubborn", "")
	require.True(t, ok)
	require.Equal(t, "powerOff", lab.GuestPolicy(g).OnTimeout)
}

func TestTheSmallLabFile(t *testing.T) {
	r := newRig(t, SmallSpec())
	path, err := r.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	_, err = inventory.Load(path)
	require.NoError(t, err)
}

func TestASpecThatCannotBe(t *testing.T) {
	s := SmallSpec()
	s.Guests[0].Host = "esx99"
	_, err := Start(context.Background(), Config{Spec: s})
	require.ErrorContains(t, err, "esx99")
	_, err = Start(context.Background(), Config{})
	require.Error(t, err)
	require.False(t, errors.Is(err, context.Canceled))
}
