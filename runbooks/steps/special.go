package steps

import (
	"net/url"
	"regexp"
	"strings"
	"time"
)

// special is what is wrong with the values of one action, beyond their types. Values with templates in them are empty here
// when the definition is read: s.With says what was written.
func special(s *Step, bound any) (out []problem) {
	bad := func(field, text, remedy string) {
		out = append(out, problem{strings.TrimSuffix("with."+field, "."), text, remedy})
	}
	given := func(key string) bool { _, ok := s.With[key]; return ok }
	switch w := bound.(type) {
	case *SSHRunWith:
		switch {
		case given("run") == given("script"):
			bad("", "either run or script", "run: [COMMAND, ARGUMENT]; or shell: true and script: |")
		case given("script") && !w.Shell:
			bad("script", "a script needs a shell", "add shell: true, or write run: [COMMAND, ARGUMENT]")
		case given("run") && (w.Shell || given("args")):
			bad("run", "shell and args go with script", "run: [COMMAND, ARGUMENT] has no shell")
		case given("script") && strings.TrimSpace(w.Script) == "":
			bad("script", "the script is empty", "")
		}
		out = append(out, command(s, w.Run)...)
	case *GuestRunWith:
		out = append(out, command(s, w.Run)...)
	case *WaitWith:
		if given("for") == given("until") {
			bad("", "either for or until", "for: 10m, or until: \"22:30\"")
		}
		if w.Until != "" && !timeOfDay.MatchString(w.Until) {
			bad("until", "this is no time of day", "\"22:30\", in quotes")
		}
		if given("zone") && !given("until") {
			bad("zone", "a zone goes with until", "")
		} else if _, err := time.LoadLocation(w.Zone); err != nil {
			bad("zone", "there is no such time zone", "as in Europe/Berlin")
		}
	case *ProbeWith:
		if u, err := url.Parse(w.URL); w.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil) {
			bad("url", "this is no URL to look at", "http://host/path or https://host/path, without a login")
		}
		if w.Fingerprint != "" && !fingerprint.MatchString(w.Fingerprint) {
			bad("fingerprint", "this is no SHA-256 fingerprint", "64 hex digits, colons allowed")
		}
	case *ConfirmWith:
		if s.OnFailure != "" {
			bad("", "a confirm has no onFailure: everything but a person's yes is no", "remove onFailure")
		}
	case *NotifyWith:
		if text, ok := s.With["text"].(string); ok && strings.TrimSpace(text) == "" { // w has it only where it is no template
			bad("text", "the message is empty", "")
		}
	case *SnapshotWith:
		if w.Name != "" && strings.TrimSpace(w.Name) != w.Name || len(w.Name) > 80 {
			bad("name", "this is no name of a snapshot", "at most 80 characters, without blanks around it")
		}
	}
	return out
}

var (
	timeOfDay   = regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d$`)
	fingerprint = regexp.MustCompile(`^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$`)
)

func command(s *Step, run []string) []problem {
	raw, given := s.With["run"].([]any)
	switch {
	case !given:
		return nil
	case len(raw) == 0 || raw[0] == "":
		return []problem{{"with.run", "there is no command", "a list of its words: [COMMAND, ARGUMENT]"}}
	case len(run) == 1 && strings.ContainsAny(run[0], " \t") && !strings.Contains(run[0], `\`):
		return []problem{{"with.run", "the command is one word with blanks in it", "a list of its words: [COMMAND, ARGUMENT]; no shell splits it"}}
	}
	return nil
}
