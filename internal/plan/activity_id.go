package plan

import (
	"fmt"
	"regexp"
)

// ActivityID is the id of a step's activity where n others of the same run of the chain have used up the ids before it.
func ActivityID(step string, n int) string {
	if n == 0 {
		return step
	}
	return fmt.Sprintf("%s (again %d)", step, n)
}

var again = regexp.MustCompile(` \(again [0-9]+\)$`)

// StepOf is the id of the step whose activity has the id.
func StepOf(activityID string) string { return again.ReplaceAllString(activityID, "") }
