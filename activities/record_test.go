package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// remember puts a record of the world's vCenter into the ledger.
func (w *world) remember(t *testing.T) {
	t.Helper()
	vc, err := w.Inspect(t.Context())
	require.NoError(t, err)
	b, err := packRecord(vc, "")
	require.NoError(t, err)
	w.book.Apply(ledger.Change{Record: &ledger.Record{VCenter: "vc1", At: time.Now(), Packed: b}}, time.Now())
}

// A large vCenter, with names that differ as people's do.
func largeVCenter(guests int) live.VCenter {
	r := rand.New(rand.NewSource(1))
	word := func() string {
		b := make([]byte, 5)
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.Intn(36)]
		}
		return string(b)
	}
	id := func() string { u, _ := uuid.NewRandomFromReader(r); return u.String() }
	vc := live.VCenter{Name: "vc1", InstanceUUID: id(), Version: "8.0.3", APIType: "VirtualCenter", Clusters: []live.Cluster{{Ref: "domain-c1", Name: "Lab", HA: true, DRS: true}}}
	for i := range guests / 50 {
		vc.Hosts = append(vc.Hosts, live.Host{Ref: fmt.Sprintf("host-%d", 1000+i), Name: word() + ".example.com", UUID: id(), Serial: word(), Cluster: "domain-c1", Connection: live.Connected,
			Power: live.PoweredOn, Datastores: []string{"datastore-1", "datastore-2"}})
	}
	for i := range guests/100 + 2 {
		vc.Datastores = append(vc.Datastores, live.Datastore{Ref: fmt.Sprintf("datastore-%d", i), Name: "lun-" + word(), Type: "VMFS", Accessible: true, Hosts: []string{"host-1000", "host-1001"}})
	}
	for i := range guests {
		name := "srv-" + word()
		vc.Guests = append(vc.Guests, live.Guest{Ref: fmt.Sprintf("vm-%d", 2000+r.Intn(90000)), Name: name, UUID: id(), BIOSUUID: id(), Folder: "/DC0/vm/" + word()[:1], Host: vc.Hosts[r.Intn(len(vc.Hosts))].Ref,
			Cluster: "domain-c1", Power: live.PoweredOn, Connection: live.Connected, Tools: true, ToolsInstalled: true, Heartbeat: "green", Tags: []string{"StartUp"}[:i%2],
			Datastores: []string{fmt.Sprintf("datastore-%d", i%len(vc.Datastores))}, Path: fmt.Sprintf("[%s] %s/%s.vmx", vc.Datastores[i%len(vc.Datastores)].Name, name, name),
			IP: fmt.Sprintf("10.%d.%d.%d", r.Intn(4), r.Intn(250), r.Intn(250))})
	}
	return vc
}

func TestARecordOfALargeVCenterIsSmall(t *testing.T) {
	for _, n := range []int{2000, 10_000} {
		b, err := packRecord(largeVCenter(n), "")
		require.NoError(t, err)
		t.Logf("%d guests: %d bytes", n, len(b))
		require.Less(t, len(b), maxRecord)
	}
}

// longNames is a large vCenter whose guests have names of 40 characters that nothing makes smaller. Their files are called alike, and lie
// where vSphere puts them.
func longNames(guests int) live.VCenter {
	rng := rand.New(rand.NewSource(1))
	vc := largeVCenter(guests)
	vc.Name = "vc1"
	for i := range vc.Guests {
		name := make([]byte, 40)
		for k := range name {
			name[k] = "abcdefghijklmnopqrstuvwxyz0123456789"[rng.Intn(36)]
		}
		g := &vc.Guests[i]
		g.Name = string(name)
		at := slices.IndexFunc(vc.Datastores, func(d live.Datastore) bool { return d.Ref == g.Datastores[0] })
		g.Path = fmt.Sprintf("[%s] %s/%s.vmx", vc.Datastores[at].Name, g.Name, g.Name)
	}
	return vc
}

// Names that nothing can make smaller take their room. A record holds all guests, or there is none: it is never cut.
func TestARecordOfLongNamesIsWholeOrRefused(t *testing.T) {
	vc := longNames(2000)
	b, err := packRecord(vc, "")
	require.NoError(t, err)
	t.Logf("2000 guests: %d KiB", len(b)>>10)
	got, err := unpackRecord(b)
	require.NoError(t, err)
	require.Len(t, got.Guests, 2000)
	slices.SortFunc(vc.Guests, func(a, b live.Guest) int { return strings.Compare(a.Name, b.Name) })
	for i, g := range got.Guests {
		require.Equal(t, vc.Guests[i].Name, g.Name)
		require.Equal(t, vc.Guests[i].UUID, g.UUID)
	}
	_, err = packRecord(longNames(20_000), "")
	require.ErrorContains(t, err, "the inventory of vCenter vc1 has 20000 guests and ")
	require.ErrorContains(t, err, "KiB packed, the limit is ")
}

// What the largest plan takes down fits into the ledger: the record, and beside it the memory of the same guests, on their way to Temporal,
// which refuses 2 MiB.
func TestARecordOfWhatTheLargestPlanTakesDown(t *testing.T) {
	vc := longNames(10_000)
	b, err := packRecord(vc, "")
	require.NoError(t, err)
	got, err := unpackRecord(b)
	require.NoError(t, err)
	require.Len(t, got.Guests, 10_000)

	record := ledger.Record{VCenter: "vc1", At: time.Now(), Run: "power-down-home-20261120-220000", Packed: b}
	st := ledger.State{Lab: "home", Records: []ledger.Record{record}}
	for _, g := range vc.Guests {
		st.Memory = append(st.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: g.UUID, Name: g.Name, Host: "esx-" + g.Host, Run: record.Run, Since: record.At, Tools: true})
	}
	for what, v := range map[string]any{"hand-over": ledger.Wire(st), "change": ledger.Change{Record: &record}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		t.Logf("%s: %d KiB", what, len(text)>>10)
		require.Less(t, len(text), 2<<20-64<<10, what)
	}
}

// The ledger has room for all records together, and not for each.
func TestRecordsOfSeveralVCentersHaveRoomTogether(t *testing.T) {
	w := newWorld()
	a := newActivities(w)
	w.book.Records = []ledger.Record{{VCenter: "vc2", Packed: make([]byte, maxRecord-10)}}
	_, err := attemptOf(t, a, plan.RecordLab, recordCall, nil)
	require.ErrorContains(t, err, "those of other vCenters in the ledger have 703 KiB: the limit of all is 704 KiB")
	require.Len(t, w.book.Records, 1)

	w.book.Records[0].VCenter = "vc1"
	_, err = attemptOf(t, a, plan.RecordLab, recordCall, nil)
	require.NoError(t, err, "it takes the place of its own earlier one")
}

// What planners need is there again; what was true of a moment is not.
func TestARecordIsReadBack(t *testing.T) {
	vc := largeVCenter(50)
	g := &vc.Guests[0]
	machine := g.BIOSUUID
	g.Encrypted, g.KeyProvider = true, "kms1"
	vc.Guests[3].Path = "[elsewhere] old-name/old-name.vmx"
	vc.Guests[1].Template, vc.Guests[2].VCLS = true, true
	vc.Tasks, vc.Mark = []live.Task{{Ref: "task-1"}}, "me"
	b, err := packRecord(vc, machine)
	require.NoError(t, err)
	at := time.Now().UTC()
	got, ok, err := recorded(ledger.State{Records: []ledger.Record{{VCenter: "vc1", At: at, Packed: b}}}, "vc1")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, at, got.Remembered)
	require.Empty(t, got.Mark)
	require.Empty(t, got.Tasks)
	require.Len(t, got.Guests, 48)
	require.Equal(t, vc.Clusters, got.Clusters)
	for _, l := range got.Guests {
		require.Empty(t, l.Power+l.Connection+l.Heartbeat)
		require.False(t, l.Tools)
	}
	for _, h := range got.Hosts {
		require.Empty(t, h.Power+h.Connection)
		require.NotEmpty(t, h.UUID)
	}
	was := vc.Guests[0]
	is := got.Guests[slices.IndexFunc(got.Guests, func(l live.Guest) bool { return l.UUID == was.UUID })]
	require.Equal(t, was.BIOSUUID, is.BIOSUUID, "that of nightshift's own guest")
	require.Len(t, slices.DeleteFunc(slices.Clone(got.Guests), func(l live.Guest) bool { return l.BIOSUUID == "" }), 1)
	require.Equal(t, []any{was.Ref, was.Name, was.UUID, was.Host, was.Cluster, was.Path, was.KeyProvider, was.Datastores, true}, []any{is.Ref, is.Name, is.UUID, is.Host, is.Cluster, is.Path, is.KeyProvider, is.Datastores, is.ToolsInstalled})
	require.NotEmpty(t, vc.Guests[0].Power, "the live picture was changed")

	for _, l := range got.Guests {
		i := slices.IndexFunc(vc.Guests, func(g live.Guest) bool { return g.UUID == l.UUID })
		require.Equal(t, vc.Guests[i].Path, l.Path)
	}

	_, ok, err = recorded(ledger.State{}, "vc1")
	require.NoError(t, err)
	require.False(t, ok)
	_, _, err = recorded(ledger.State{Records: []ledger.Record{{VCenter: "vc1", Packed: []byte("no gzip")}}}, "vc1")
	require.ErrorIs(t, err, fault.Invalid)
}

var recordCall = plan.Call{Run: "run-1", Lab: "home", Params: plan.Encode(plan.RecordParams{VCenter: "vc1"}),
	Target: plan.Target{Kind: plan.VCenter, Name: "vc1", Endpoint: "vc1"}}

func TestRecordLab(t *testing.T) {
	w := newWorld()
	w.guest.Path, w.cluster.VCLS = "[vmfs1] web01/web01.vmx", nil
	w.book.Debts = []plan.Debt{{ID: plan.DebtID("vc1", "domain-c1", plan.DRS), Was: "partiallyAutomated"}}
	a := newActivities(w)
	a.papers = filepath.Join(t.TempDir(), "state")
	for range 2 {
		out, err := attemptOf(t, a, plan.RecordLab, recordCall, nil)
		require.NoError(t, err)
		require.True(t, out.Acted)
		require.Contains(t, out.Note, "restore-home.txt")
	}
	require.Len(t, w.book.Records, 1)
	require.Equal(t, "run-1", w.book.Records[0].Run)
	path := filepath.Join(a.papers, "restore-home.txt")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, s := range []string{"lab home", "run-1", "esx21", "nuc (kept)", "web01 on host esx21: [vmfs1] web01/web01.vmx", "DRS automation level = partiallyAutomated", "vSphere HA = true", "vCLS = default"} {
		require.Contains(t, string(b), s)
	}
	left, err := os.ReadDir(a.papers)
	require.NoError(t, err)
	require.Len(t, left, 1, "half a page lies about")
}

// The record is worth nothing where a person cannot find the page: the step is not done before both are there.
func TestRecordLabIsNotDoneWithoutItsPage(t *testing.T) {
	w := newWorld()
	a := newActivities(w)
	file := filepath.Join(t.TempDir(), "a file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	a.papers = filepath.Join(file, "state")
	_, err := attemptOf(t, a, plan.RecordLab, recordCall, nil)
	require.ErrorContains(t, err, "restore-home.txt")
	a.papers = ""
	_, err = attemptOf(t, a, plan.RecordLab, recordCall, nil)
	require.NoError(t, err)
}

func TestThePageHasTheStartOrder(t *testing.T) {
	guest := func(name, host string) live.Guest {
		return live.Guest{Ref: "vm-" + name, Name: name, UUID: "u-" + name, Host: host, Power: live.PoweredOn}
	}
	p := paper{
		lab: &inventory.Lab{File: inventory.File{Lab: "home", VCenters: []inventory.VCenter{{Name: "vc1"}},
			Hosts: []inventory.Host{{Name: "esx1", VCenter: "vc1", Address: "esx1.lab"}, {Name: "esx2", VCenter: "vc1", Address: "esx2.lab"}},
			Guests: []inventory.Guest{
				{Name: "a-web", VCenter: "vc1", After: []string{"group:db"}},
				{Name: "vcsa", VCenter: "vc1", Provides: []inventory.Provision{"vcenter:vc1"}},
				{Name: "nas", VCenter: "vc1", Provides: []inventory.Provision{"dns", "datastore:ds"}},
				{Name: "z-db", VCenter: "vc1", After: []string{"a-web"}}, // a circle
			},
			Groups: []inventory.Group{{Name: "db", Guests: []string{"z-db"}, After: []string{"m-base"}}}}},
		vcs: map[string]live.VCenter{"vc1": {Name: "vc1", Hosts: []live.Host{{Ref: "h1", Name: "esx1.lab", Maintenance: true}, {Ref: "h2", Name: "esx2.lab"}},
			Guests: []live.Guest{guest("a-web", "h1"), guest("m-base", "h1"), guest("nas", "h2"), guest("vcsa", "h2"), guest("z-db", "h1"), {Name: "off", UUID: "u-off"}, {Name: "ran", UUID: "u-ran", Host: "h9"}}}},
		book: ledger.State{Memory: []plan.RememberedGuest{{Endpoint: "vc1", UUID: "U-RAN"}}},
	}
	m := p.manual("run-1", time.Now())
	var guests, hosts []string
	for _, g := range m.Guests {
		guests = append(guests, g.Name)
	}
	for _, h := range m.Hosts {
		hosts = append(hosts, h.Name)
	}
	require.Equal(t, []string{"nas", "vcsa", "m-base", "z-db", "a-web", "ran"}, guests)
	require.Equal(t, []string{"esx2", "esx1"}, hosts, "what carries the others first")
	require.True(t, m.Hosts[1].Maintenance)
	require.Equal(t, "unknown", m.Guests[5].Host)
	p.book.Debts = []plan.Debt{{ID: plan.DebtID("vc1", "h1", plan.Maintenance), Was: "false"}}
	require.False(t, p.manual("run-1", time.Now()).Hosts[1].Maintenance, "that was nightshift")
}

// A vCenter that is away is told as it was recorded, where it runs in this lab; else it is an error.
func TestAVCenterThatIsAway(t *testing.T) {
	w := newWorld()
	w.remember(t)
	a := directActivities(w)
	st, err := a.inspect(t.Context(), w.book)
	require.NoError(t, err)
	require.Len(t, st.VCenters, 1)
	require.False(t, st.VCenters[0].Remembered.IsZero())
	require.Equal(t, "web01", st.VCenters[0].Guests[0].Name)
	require.Empty(t, st.VCenters[0].Guests[0].Power)
	require.Len(t, st.Hosts, 1)
	require.Equal(t, "esx21", st.Hosts[0].Host)
	require.Empty(t, st.Hosts[0].Err)
	require.Equal(t, ownHost, st.Hosts[0].ESXi.Hosts[0].Ref)

	st, err = a.inspect(t.Context(), ledger.State{})
	require.NoError(t, err)
	require.Empty(t, st.VCenters, "no record: the planner knows what to do")
	require.Len(t, st.Hosts, 1)

	b := directActivities(w)
	b.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) {
		return nil, fault.As(fault.Unsupported, errors.New("a page that says that it starts"))
	}
	st, err = b.inspect(t.Context(), w.book)
	require.NoError(t, err)
	require.False(t, st.VCenters[0].Remembered.IsZero(), "it is not there yet")

	w.bmc.Power = live.Off
	st, err = a.inspect(t.Context(), w.book)
	require.NoError(t, err)
	require.Empty(t, st.Hosts, "it is off: there is nobody to ask")

	w.bmc.Power, w.away = live.On, func() bool { return true }
	a = directActivities(w)
	st, err = a.inspect(t.Context(), w.book)
	require.NoError(t, err)
	require.Contains(t, st.Hosts[0].Err, "no answer from the host")

	a.lab.Guests = nil
	_, err = a.inspect(t.Context(), w.book)
	require.ErrorIs(t, err, fault.Unreachable, "it runs elsewhere")

	a = directActivities(w)
	a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) {
		return nil, fault.As(fault.Auth, errors.New("refused"))
	}
	_, err = a.inspect(t.Context(), w.book)
	require.ErrorIs(t, err, fault.Auth, "it answers")
}

func TestHostsThatCarryProvidersAreAskedThemselves(t *testing.T) {
	for name, c := range map[string]struct {
		lab  func(*inventory.Lab)
		asks bool
	}{
		"nothing": {func(*inventory.Lab) {}, false},
		"a guest on it": {func(l *inventory.Lab) {
			l.Guests = append(l.Guests, inventory.Guest{Name: "web01", VCenter: "vc1", Provides: []inventory.Provision{"dns"}})
		}, true},
		"itself":                  {func(l *inventory.Lab) { l.Hosts[0].Provides = []inventory.Provision{"datastore:x"} }, true},
		"a guest on another host": {func(l *inventory.Lab) { l.Hosts[0].Address = "other.lab"; l.Guests[0].Name = "web01" }, false},
		"it has no API": {func(l *inventory.Lab) {
			l.Hosts[0].ESXi, l.Hosts[0].Provides = nil, []inventory.Provision{"datastore:x"}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			a := newActivities(w)
			a.lab.Hosts[0].ESXi = &inventory.Endpoint{URL: "https://esx21"}
			c.lab(a.lab)
			asked := 0
			a.clients.dialVC = func(_ context.Context, r endpoint.Resolved) (vcenter, error) {
				if strings.HasPrefix(r.Name, "host ") {
					asked++
					return worldHost{world: w}, nil
				}
				return w, nil
			}
			st, err := a.inspect(t.Context(), ledger.State{})
			require.NoError(t, err)
			require.Equal(t, c.asks, len(st.Hosts) == 1)
			require.Equal(t, c.asks, asked == 1)
		})
	}
}
