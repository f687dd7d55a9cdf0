//go:build e2e && browser

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/simlab"
)

// A real browser looks at reports, of a real run and of runs of 20 and 2,000 guests, and at runs in the Temporal UI of the
// embedded engine, one of them with a stream under way. `make e2e-browser` has what it needs; the pictures stay in NIGHTSHIFT_SHOTS where that is set.
func TestBrowser(t *testing.T) {
	shots := os.Getenv("NIGHTSHIFT_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	pages := t.TempDir()
	synthetic := exec.Command("go", "test", "-count=1", "-run", "^TestPagesForTheBrowser$", "../../internal/report")
	synthetic.Env = append(os.Environ(), "NIGHTSHIFT_PAGES="+pages)
	out, err := synthetic.CombinedOutput()
	require.NoError(t, err, string(out))

	r := newRig(t, simlab.HomeSpec(), 1)
	r.start()
	down := r.begin("power-down")
	r.end(down)
	r.must("report", down, "-o", "html", "--out", filepath.Join(pages, "real.html"))
	link := r.report(down).Link
	require.NotEmpty(t, link)

	list, err := filepath.Glob(filepath.Join(pages, "*.html"))
	require.NoError(t, err)
	require.Len(t, list, 4)
	look(t, append([]string{"report.mjs", shots}, list...)...)
	look(t, "temporal.mjs", shots, link, down, r.report(down).Title)

	spec := simlab.StorageSpec()
	spec.Groups[0].Extra = "    send: {limit: 1MiB}" // the stream is under way for as long as somebody looks
	r = newRig(t, spec, 1)
	r.start()
	run := r.begin("replicate", "-p", "group=mail")
	look(t, "stream.mjs", shots, r.report(run).Link, "send:tank/mail")
}

// look runs a script of test/browser.
func look(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("node", args...)
	cmd.Dir = "../browser"
	out, err := cmd.CombinedOutput()
	t.Log(string(out))
	require.NoError(t, err)
}
