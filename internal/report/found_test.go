package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// What a step has found is in every form of the report, letter by letter.
func TestWhatStepsHaveFound(t *testing.T) {
	p := plan.Plan{Runbook: "lun-map", Title: "Map", Lab: "home", Steps: []plan.Step{{ID: "map-luns", Title: "Map the LUNs", Action: "MapLUNs"}, {ID: "other", Title: "Other"}}}
	s := runapi.Sheet{Lab: "home", Runbook: "lun-map", Title: "Map", Phase: runapi.PhaseEnd, Outcome: runapi.Done, Total: 2, Done: 2, Steps: "dd",
		Started: time.Unix(0, 0), Ended: time.Unix(9, 0), Found: map[string]string{"map-luns": "naa.6001\n  zvol  <b>*x*\x1b[31m\n"}}
	r := Assemble("run-1", s, &p, time.Unix(9, 0))
	var short, text, md, page bytes.Buffer
	r.Summary(&short)
	r.Text(&text)
	r.Markdown(&md, false)
	require.NoError(t, r.HTML(&page))
	const want = "\nMap the LUNs\n\nnaa.6001\n  zvol  <b>*x*\uFFFD[31m\n"
	require.Contains(t, short.String(), want)
	require.Contains(t, text.String(), want)
	require.Contains(t, md.String(), "\n## Map the LUNs\n\n    naa.6001\n      zvol  <b>*x*\uFFFD[31m\n")
	require.Contains(t, page.String(), "<pre>naa.6001\n  zvol  &lt;b&gt;*x*\uFFFD[31m</pre>")
	require.NotContains(t, short.String(), "Other\n")
}
