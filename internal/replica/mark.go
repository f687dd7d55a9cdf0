package replica

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A Mark says which nightshift works on a protection group, with which run, since when. It is a user property of the dataset
// below which the group's replicas lie. The zero value: nobody does.
type Mark struct {
	By, Run string // By is all of a value that is no mark
	Since   time.Time
}

// MarkProperty is the user property that is a group's mark.
func MarkProperty(group string) string { return tagPrefix + "mark." + group }

var markForm = regexp.MustCompile(`^since=(\S+) run=(\S*) by=(.+)$`)

// Value is what the property is set to.
func (m Mark) Value() string {
	return fmt.Sprintf("since=%s run=%s by=%s", m.Since.UTC().Format(layout), oneWord(m.Run), m.By)
}

// ParseMark reads it. What is no mark is somebody's all the same.
func ParseMark(value string) Mark {
	if f := markForm.FindStringSubmatch(value); f != nil {
		if since, err := time.Parse(layout, f[1]); err == nil {
			return Mark{By: f[3], Run: f[2], Since: since}
		}
	}
	return Mark{By: value}
}

// Of tells whether the mark is of a run of this nightshift.
func (m Mark) Of(by, run string) bool { return m.By == by && m.Run == oneWord(run) }

// String is who works on the group, for people.
func (m Mark) String() string {
	if m.Since.IsZero() {
		return m.By
	}
	return fmt.Sprintf("%s, with run %s, since %s", m.By, m.Run, m.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// Unmark is the command by which a person takes a mark off whose nightshift is no more.
func Unmark(group, under string) string { return "zfs inherit " + MarkProperty(group) + " " + under }

func oneWord(s string) string { return strings.Join(strings.Fields(s), "_") }
