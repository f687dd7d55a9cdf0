package plan

import (
	"fmt"
	"strings"
)

// Mermaid is the plan as a flowchart for Mermaid: one box per step, one frame per group, the critical path drawn bold.
// Mermaid itself draws at most 500 arrows unless its maxEdges is raised.
func (p Plan) Mermaid() string {
	var b strings.Builder
	node := make(map[string]string, len(p.Steps))
	var names []string
	groups := map[string][]Step{}
	for i, s := range p.Steps {
		node[s.ID] = fmt.Sprintf("s%d", i+1)
		if _, ok := groups[s.Group]; !ok {
			names = append(names, s.Group)
		}
		groups[s.Group] = append(groups[s.Group], s)
	}
	b.WriteString("flowchart LR\n")
	if len(p.Steps) == 0 {
		fmt.Fprintf(&b, "  s0[%s]\n", MermaidLabel(p.Title))
	}
	for i, name := range names {
		fmt.Fprintf(&b, "  subgraph g%d[%s]\n", i+1, MermaidLabel(name))
		for _, s := range groups[name] {
			fmt.Fprintf(&b, "    %s[%s]\n", node[s.ID], MermaidLabel(s.Title))
		}
		b.WriteString("  end\n")
	}
	for _, s := range p.Steps {
		for _, need := range s.Needs {
			fmt.Fprintf(&b, "  %s --> %s\n", node[need], node[s.ID])
		}
	}
	if g, err := NewGraph(p); err == nil {
		if ids, _ := g.CriticalPath(); len(ids) > 0 {
			for i, id := range ids {
				ids[i] = node[id]
			}
			fmt.Fprintf(&b, "  classDef critical stroke-width:3px\n  class %s critical\n", strings.Join(ids, ","))
		}
	}
	return b.String()
}

// MermaidLabel quotes a text: Mermaid reads entities with # in quotes, and HTML and Markdown where these are not escaped.
func MermaidLabel(s string) string {
	s = strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;", "\n", " ", "\r", " ").Replace(s)
	if s == "" {
		s = " "
	}
	return `"` + s + `"`
}
