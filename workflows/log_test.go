package workflows

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// What a log collector gets of a run has the keys that the document promises, as JSON has them.
func TestLogLinesHaveTheKeysOfTheDocument(t *testing.T) {
	var out bytes.Buffer
	g1 := step("g1")
	g1.Target = plan.Target{Kind: plan.Guest, Name: "web01"}
	logger := log.NewStructuredLogger(slog.New(slog.NewJSONHandler(&out, nil)))
	b := newBenchWith(t, func(s *testsuite.WorkflowTestSuite) { s.SetLogger(logger) }, g1)
	b.does["g1"] = failing(1, "no Tools")
	b.order(time.Minute, runapi.Abort, runapi.Order{By: "ann", Reason: "storm"}, "")
	b.run(runapi.Params{Approved: true})

	doc, err := os.ReadFile("../docs/monitoring.md")
	require.NoError(t, err)
	lines := map[string]map[string]any{}
	for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		var line map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &line), l)
		if msg := line["msg"].(string); msg == runapi.LogBlocked || msg == runapi.LogEnded {
			lines[msg] = line
			for key := range line {
				if !slices.Contains([]string{"time", "level", "msg"}, key) {
					require.Contains(t, string(doc), "`"+key+"`", l)
				}
			}
		}
	}
	blocked, ended := lines[runapi.LogBlocked], lines[runapi.LogEnded]
	require.Equal(t, "g1", blocked["step"], "as retry takes it")
	require.Equal(t, "guest web01", blocked["target"])
	require.Equal(t, g1.Title, blocked["title"])
	require.Contains(t, blocked["why"], "no Tools")
	require.Equal(t, runapi.Aborted, ended["outcome"])
	for _, l := range []map[string]any{blocked, ended} {
		require.Equal(t, "home", l["lab"])
		require.Equal(t, "power-down", l["runbook"])
	}
}
