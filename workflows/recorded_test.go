package workflows

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"nightshift/internal/plan"
)

// unrecorded are the workflow types, and the changes under workflow.GetVersion, that no recorded history has, and why.
var unrecorded = map[string]string{
	plan.ReplicateWorkflow:            asPowerDown,
	plan.PruneWorkflow:                asPowerDown,
	plan.LUNMapWorkflow:               asPowerDown,
	plan.VMFSInspectWorkflow:          asPowerDown,
	plan.VMFSBackupWorkflow:           asPowerDown,
	plan.VMFSRestorePartitionWorkflow: asPowerDown,
}

// asPowerDown is the reason for runbooks that no version was released with yet.
const asPowerDown = "no release has it yet; it is Run, as PowerDown is, which is recorded"

// What no recorded history goes through can be broken unseen for runs that are under way while nightshift is upgraded.
func TestEachWorkflowAndEachChangeIsRecorded(t *testing.T) {
	recorded := map[string]bool{}
	for _, h := range recordings(t) {
		recorded[h.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName()] = true
		for _, id := range changesIn(t, h) {
			recorded[id] = true
		}
	}
	wanted := changesInSource(t)
	require.NotEmpty(t, wanted)
	for name := range Types() {
		wanted[name] = "workflow type " + name
	}
	const remedy = "record one: `record(…)` in a test of worker/, then `make histories VERSION=…` (CONTRIBUTING.md)"
	for name, what := range wanted {
		switch why, excused := unrecorded[name]; {
		case recorded[name] && excused:
			t.Errorf("%s is in a recorded history now: strike it out of unrecorded", what)
		case recorded[name]:
		case excused:
			require.NotEmpty(t, why, "%s needs a reason", what)
			t.Logf("no recorded history has %s: %s", what, why)
		default:
			t.Errorf("no recorded history has %s: %s", what, remedy)
		}
	}
	for name := range unrecorded {
		require.Contains(t, wanted, name, "the code does not have it any more: strike it out of unrecorded")
	}
}

// changesIn are the changes under workflow.GetVersion that a history has come by.
func changesIn(t *testing.T, h *historypb.History) (ids []string) {
	t.Helper()
	for _, e := range h.GetEvents() {
		if m := e.GetMarkerRecordedEventAttributes(); m.GetMarkerName() == "Version" {
			var id string
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(m.GetDetails()["change-id"], &id))
			ids = append(ids, id)
		}
	}
	return ids
}

// changesInSource are the change ids of all calls of workflow.GetVersion, and where they are. An id is a constant of this package,
// or a literal.
func changesInSource(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	set, constants, calls := token.NewFileSet(), map[string]string{}, []*ast.CallExpr{}
	for _, name := range files {
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if i < len(n.Values) {
						if text, ok := literal(n.Values[i]); ok {
							constants[id.Name] = text
						}
					}
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "GetVersion" {
					calls = append(calls, n)
				}
			}
			return true
		})
	}
	changes := map[string]string{}
	for _, c := range calls {
		at := set.Position(c.Pos()).String()
		id, ok := literal(c.Args[1])
		if name, is := c.Args[1].(*ast.Ident); is {
			id, ok = constants[name.Name], constants[name.Name] != ""
		}
		require.True(t, ok, "%s: the id of the change is no constant of this package", at)
		changes[id] = "change " + id + " (" + at + ")"
	}
	return changes
}

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}
