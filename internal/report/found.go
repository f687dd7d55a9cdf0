package report

import (
	"fmt"
	"io"
	"strings"
)

// Findings are the steps that have found something, in the plan's order. Some of it comes from devices: out of it is what a
// terminal would act on.
func (r Report) Findings() (list []Step) {
	for _, s := range r.Steps {
		if s.Found != "" {
			s.Found = strings.TrimRight(strings.Map(printable, s.Found), "\n")
			list = append(list, s)
		}
	}
	return list
}

func (r Report) found(w io.Writer) {
	for _, s := range r.Findings() {
		fmt.Fprintf(w, "\n%s\n\n%s\n", s.Title, s.Found)
	}
}

// found shows it letter by letter: what is indented so is no Markdown.
func (m mdPage) found(r Report) {
	for _, s := range r.Findings() {
		m.head(md(s.Title))
		for line := range strings.Lines(s.Found) {
			m.line("    %s", strings.TrimRight(line, "\n"))
		}
	}
}
