package engine

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"nightshift/internal/heldport"
	"nightshift/internal/statedir"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

var lab = temporal.NewSearchAttributeKeyKeyword("Lab")

func dir(t *testing.T, path string) *statedir.Dir {
	t.Helper()
	d, err := statedir.Open(path)
	require.NoError(t, err)
	require.NoError(t, d.Lock(t.Context()))
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func begin(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func dial(t *testing.T, s *Server) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.Address(), Namespace: s.Namespace(), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// greet runs a workflow with an activity and a timer, under the given search attributes.
func greet(t *testing.T, c client.Client, id string, attributes temporal.SearchAttributes) {
	t.Helper()
	w := worker.New(c, "greetings", worker.Options{})
	w.RegisterActivityWithOptions(func(_ context.Context, who string) (string, error) { return "good night, " + who, nil }, activity.RegisterOptions{Name: "Greet"})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context, who string) (string, error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: patience})
		if err := workflow.Sleep(ctx, time.Millisecond); err != nil {
			return "", err
		}
		var text string
		err := workflow.ExecuteActivity(ctx, "Greet", who).Get(ctx, &text)
		return text, err
	}, workflow.RegisterOptions{Name: "Greeting"})
	require.NoError(t, w.Start())
	defer w.Stop()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "greetings", TypedSearchAttributes: attributes}, "Greeting", "lab")
	require.NoError(t, err)
	requireGreeted(t, run)
}

func requireGreeted(t *testing.T, run client.WorkflowRun) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var text string
	require.NoError(t, run.Get(ctx, &text))
	require.Equal(t, "good night, lab", text)
}

// requireListed waits until the query finds exactly these workflows; visibility comes a moment later.
func requireListed(t *testing.T, c client.Client, query string, want ...string) {
	t.Helper()
	require.Eventually(t, func() bool {
		list, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		require.NoError(t, err)
		var got []string
		for _, e := range list.Executions {
			got = append(got, e.Execution.WorkflowId)
		}
		return strings.Join(got, " ") == strings.Join(want, " ")
	}, patience, 20*time.Millisecond, query)
}

func requireRetention(t *testing.T, c client.Client, want time.Duration) {
	t.Helper()
	ns, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: DefaultNamespace})
	require.NoError(t, err)
	require.Equal(t, want, ns.Config.WorkflowExecutionRetentionTtl.AsDuration())
}

func TestRunsSurviveARestartOnOtherPorts(t *testing.T) {
	d := dir(t, filepath.Join(t.TempDir(), "100% odd? #1")) // SQLite is told the path in a URI
	o := Options{Dir: d, UIPort: -1, SearchAttributes: map[string]enums.IndexedValueType{lab.GetName(): enums.INDEXED_VALUE_TYPE_KEYWORD}}
	first := begin(t, o)
	c := dial(t, first)
	requireRetention(t, c, 365*24*time.Hour)
	greet(t, c, "before", temporal.NewSearchAttributes(lab.ValueSet("home")))
	c.Close()
	require.NoError(t, first.Stop())
	require.NoError(t, first.Stop(), "again")
	requireEmptyLog(t, d)

	// The next release knows one more attribute and keeps runs for longer.
	target := temporal.NewSearchAttributeKeyKeywordList("Target")
	o.SearchAttributes[target.GetName()] = enums.INDEXED_VALUE_TYPE_KEYWORD_LIST
	o.Retention = 2 * 365 * 24 * time.Hour
	second := begin(t, o)
	require.NotEqual(t, first.Address(), second.Address())
	c = dial(t, second)
	requireGreeted(t, c.GetWorkflow(t.Context(), "before", ""))
	requireRetention(t, c, o.Retention)
	greet(t, c, "after", temporal.NewSearchAttributes(lab.ValueSet("home"), target.ValueSet([]string{"esx21"})))
	requireListed(t, c, "Lab = 'home'", "after", "before")
	requireListed(t, c, "Target = 'esx21'", "after")
	history := c.GetWorkflowHistory(t.Context(), "before", "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	require.True(t, history.HasNext())
	event, err := history.Next()
	require.NoError(t, err)
	require.Equal(t, "Greeting", event.GetWorkflowExecutionStartedEventAttributes().WorkflowType.Name)
}

// requireEmptyLog: what was written is in the database file, so that a copy of it is whole.
func requireEmptyLog(t *testing.T, d *statedir.Dir) {
	t.Helper()
	info, err := os.Stat(d.Database() + "-wal")
	require.NoError(t, err)
	require.Zero(t, info.Size())
}

func TestSearchAttributesThatTheFileCannotHave(t *testing.T) {
	d := dir(t, t.TempDir())
	o := Options{Dir: d, UIPort: -1, Unsafe: true, SearchAttributes: bools("One", "Two")}
	require.NoError(t, begin(t, o).Stop())

	o.SearchAttributes = map[string]enums.IndexedValueType{"One": enums.INDEXED_VALUE_TYPE_INT}
	_, err := Start(t.Context(), o)
	require.ErrorContains(t, err, "search attribute One is of type Bool in this file, Int is needed")

	o.SearchAttributes = bools("Three", "Four")
	_, err = Start(t.Context(), o)
	require.ErrorContains(t, err, "the engine did not know the search attributes", "SQLite has three of a type")
}

func bools(names ...string) map[string]enums.IndexedValueType {
	types := make(map[string]enums.IndexedValueType)
	for _, name := range names {
		types[name] = enums.INDEXED_VALUE_TYPE_BOOL
	}
	return types
}

func TestWritesWaitForTheDisk(t *testing.T) {
	d := dir(t, t.TempDir())
	for _, unsafe := range []bool{false, true} {
		attributes := storage(Options{Dir: d, Unsafe: unsafe}).ConnectAttributes
		require.Equal(t, "wal", attributes["journal_mode"])
		require.Equal(t, map[bool]string{false: "full", true: "normal"}[unsafe], attributes["synchronous"])
	}
}

func TestUI(t *testing.T) {
	s := begin(t, Options{Dir: dir(t, t.TempDir()), Unsafe: true})
	get := func(path, host string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.UIURL()+path, nil)
		require.NoError(t, err)
		if host != "" {
			req.Host = host
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(b)
	}
	status, body := get("/", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "<!doctype html>")
	_, body = get("/api/v1/settings", "")
	require.Contains(t, body, `"DefaultNamespace":"default"`)
	require.Contains(t, body, `"DisableNewsFetch":true`)
	status, body = get("/api/v1/namespaces/default/workflows", "")
	require.Equal(t, http.StatusOK, status, body)

	for host, want := range map[string]int{
		"localhost:9000": http.StatusOK, "[::1]:8233": http.StatusOK, "127.0.0.1": http.StatusOK,
		"rebound.example": http.StatusForbidden, "localhost.rebound.example:8233": http.StatusForbidden,
	} {
		status, _ := get("/", host)
		require.Equal(t, want, status, host)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	s := begin(t, Options{Dir: dir(t, t.TempDir()), Unsafe: true})
	for _, address := range []string{s.Address(), strings.TrimPrefix(s.UIURL(), "http://")} {
		host, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		require.Equal(t, DefaultIP, host)
		// Another address of this machine has the port free, unless all addresses are listened on.
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", port))
		require.NoError(t, err)
		require.NoError(t, l.Close())
	}
}

func TestTakenPortsAreNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for flag, o := range map[string]Options{"--port": {Port: heldport.Number(l)}, "--ui-port": {UIPort: heldport.Number(l)}} {
		o.Dir = dir(t, t.TempDir())
		_, err := Start(t.Context(), o)
		require.ErrorContains(t, err, l.Addr().(*net.TCPAddr).AddrPort().String()[len("127.0.0.1:"):])
		require.ErrorContains(t, err, "is taken by another program")
		require.ErrorContains(t, err, flag)
		require.NoFileExists(t, o.Dir.Database(), "nothing was touched")
	}
	_, err = Start(t.Context(), Options{Dir: dir(t, t.TempDir()), Port: heldport.Number(l), UIPort: heldport.Number(l)})
	require.ErrorContains(t, err, "with --port ")
	require.ErrorContains(t, err, "with --ui-port ", "both are named at once")
}

func TestOptionsThatCannotBe(t *testing.T) {
	free, err := statedir.Open(t.TempDir())
	require.NoError(t, err)
	for want, o := range map[string]Options{
		"not locked by this process": {Dir: free},
		"an IP address is needed":    {Dir: dir(t, t.TempDir()), IP: "localhost"},
		"at least 24h":               {Dir: dir(t, t.TempDir()), Retention: time.Hour},
		"does not have that address": {Dir: dir(t, t.TempDir()), IP: "192.0.2.1"},
	} {
		_, err := Start(t.Context(), o)
		require.ErrorContains(t, err, want)
	}
}

// elsewhere is a listener that says it has the address of another one.
type elsewhere struct {
	*net.TCPListener
	addr net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.addr }

func TestAFatalErrorOfTheServerIsAnErrorOfStart(t *testing.T) {
	o, err := Options{Dir: dir(t, t.TempDir())}.withDefaults()
	require.NoError(t, err)
	p, err := takePorts(t.Context(), o.IP, 0, -1)
	require.NoError(t, err)
	held := p.history
	other, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.history = elsewhere{other.(*net.TCPListener), held.Addr()}
	_, err = start(t.Context(), o, p)
	require.ErrorContains(t, err, "start Temporal server")
	require.ErrorContains(t, err, held.Addr().String())
	require.NoError(t, errors.Join(p.release(), held.Close()))
}

func TestStartIsGivenUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Start(ctx, Options{Dir: dir(t, t.TempDir()), UIPort: -1})
	require.ErrorIs(t, err, context.Canceled)
}

func TestDiskFullAtStart(t *testing.T) {
	o := Options{Dir: dir(t, t.TempDir()), free: func(string) (uint64, error) { return 12 << 20, nil }}
	_, err := Start(t.Context(), o)
	require.ErrorAs(t, err, new(*statedir.FullError))
	require.NoFileExists(t, o.Dir.Database())
}

// reports collects what OnDisk is told.
type reports struct {
	mu  sync.Mutex
	all []error
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, err)
}

func (r *reports) get() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]error(nil), r.all...)
}

func TestDiskThatRunsFullIsReportedOnceAndWhenThereIsSpaceAgain(t *testing.T) {
	var told reports
	var left atomic.Uint64
	left.Store(1 << 40)
	begin(t, Options{
		Dir: dir(t, t.TempDir()), UIPort: -1, Unsafe: true, OnDisk: told.add, interval: time.Millisecond,
		free: func(string) (uint64, error) { return left.Load(), nil },
	})
	left.Store(100 << 20)
	require.Eventually(t, func() bool { return len(told.get()) == 1 }, patience, time.Millisecond)
	require.ErrorContains(t, told.get()[0], "disk almost full: 100 MiB free")
	left.Store(1 << 40)
	require.Eventually(t, func() bool { return len(told.get()) == 2 }, patience, time.Millisecond)
	require.NoError(t, told.get()[1])
}

func TestDatabaseThatCannotGrowIsADiskFull(t *testing.T) {
	d := dir(t, t.TempDir())
	require.NoError(t, begin(t, Options{Dir: d, UIPort: -1}).Stop())
	var told reports
	o := Options{Dir: d, UIPort: -1, OnDisk: told.add, interval: time.Hour, pragmas: map[string]string{"max_page_count": "1"}} // no page more than there are
	s := begin(t, o)
	c := dial(t, s)
	big := strings.Repeat("x", 1<<20) // more than the free pages hold
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { // the client repeats it for ever
		_, _ = c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "none"}, "None", big)
	}()
	require.Eventually(t, func() bool { return len(told.get()) == 1 }, patience, time.Millisecond)
	require.ErrorContains(t, told.get()[0], "disk full")
}
