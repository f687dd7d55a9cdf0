package runbooks

import (
	"fmt"
	"strings"
	"time"
)

// count says "1 host", "4 hosts".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// span says a duration as people do: "5 min", "90 s", "1 h 30 min".
func span(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// some lists the first few names and how many more there are.
func some(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// drsLevel says an automation level as the vSphere Client does.
func drsLevel(level string) string {
	switch level {
	case "fullyAutomated":
		return "fully automated"
	case "partiallyAutomated":
		return "partially automated"
	}
	return level
}
