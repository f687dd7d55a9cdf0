// Package section takes one section out of a document of Markdown, and puts it in: docs/performance.md is written by more than one
// command, each of which leaves alone what the others measured.
package section

import "strings"

// Storage is the heading of what `make bench-storage` measures. It is the last one.
const Storage = "## The storage lab"

// Get is the section under a heading of the second level, with that, up to the next one or the end; empty: there is none.
func Get(document, heading string) string {
	from, to := find(document, heading)
	return document[from:to]
}

// Put puts a section, heading and all, in the place of the one that is there, or at the end.
func Put(document, heading, text string) string {
	from, to := find(document, heading)
	before, after := document[:from], document[to:]
	if before != "" {
		before = strings.TrimRight(before, "\n") + "\n\n"
	}
	text = strings.TrimRight(text, "\n") + "\n"
	if after != "" {
		text += "\n"
	}
	return before + text + after
}

func find(document, heading string) (from, to int) {
	at := strings.Index("\n"+document, "\n"+heading+"\n")
	if at < 0 {
		return len(document), len(document)
	}
	if next := strings.Index(document[at+len(heading):], "\n## "); next >= 0 {
		return at, at + len(heading) + next + 1
	}
	return at, len(document)
}
