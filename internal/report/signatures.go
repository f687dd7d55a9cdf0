package report

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/signature"
	"nightshift/internal/words"
)

// A Check is what became of one look at a run's signatures.
type Check struct {
	What  string `json:"what"` // "ann approved plan 0123456789ab"
	Holds bool   `json:"holds"`
	Why   string `json:"why"` // why not, or by which key
}

// Verify looks at every signature of the run once more. The people are those of a lab file that the caller trusts, want
// what it demands for the runbook (nil: nothing is known of that); without people, the keys are those that the report
// itself tells, which proves no more than that it fits together. firstRun is the Temporal run id of the chain's first
// run, where it is known from elsewhere. No checks: there is no signature, and none was needed.
func (r Report) Verify(people []plan.Approver, want *plan.Approvers, firstRun string) []Check {
	if r.Approvers == nil && want == nil {
		return nil
	}
	if r.Approvers == nil {
		return []Check{{What: "signed approvals of " + r.Runbook, Why: "the lab file demands them, the run knew of none"}}
	}
	if people == nil {
		people = r.Approvers.Known
	}
	if want == nil {
		want = r.Approvers
	}
	checks := []Check{r.verifyRequest(people)}
	good := map[string][]plan.Approver{} // by hash
	for _, a := range r.Approvals {
		c := Check{What: a.Name + " approved plan " + plan.ShortHash(a.Hash)}
		who, err := r.verifyApproval(a, people, want, firstRun)
		if err == nil && slices.ContainsFunc(good[a.Hash], func(o plan.Approver) bool { return signature.SamePerson(o, who) }) {
			err = fmt.Errorf("%s approved it twice: that counts once", who.Name)
		}
		checks = append(checks, c.end(err, a.Key))
		if err == nil {
			good[a.Hash] = append(good[a.Hash], who)
		}
	}
	need := max(1, want.Need)
	if q := r.Requester; q != nil && unsigned(*q) {
		need = max(need, runapi.LeastForSchedule)
	}
	checks = append(checks, r.verifyCount(good, need))
	for _, a := range r.Amendments {
		if len(a.Beyond) > 0 && a.Refused == "" {
			n := len(good[a.To])
			c := Check{What: fmt.Sprintf("the new plan of %s approved by %d", words.Second(a.At), need), Holds: n >= need,
				Why: fmt.Sprintf("%s of plan %s", words.Count(n, "valid approval"), plan.ShortHash(a.To))}
			if !c.Holds {
				c.Why = fmt.Sprintf("it was carried out with %s, and went beyond the plan before: %s", c.Why, a.Beyond[0])
			}
			checks = append(checks, c)
		}
	}
	return checks
}

// unsigned tells of a request that a schedule has made.
func unsigned(q runapi.Consent) bool { return q.Key == "" && q.SSH == "" }

func (c Check) end(err error, key string) Check {
	if err != nil {
		c.Why = err.Error()
		return c
	}
	c.Holds = true
	if k, err := signature.ParseKey(key); err == nil {
		c.Why = "key " + signature.Fingerprint(k)
	}
	return c
}

// verifyRequest looks at who asked for the run. What else was asked for is in the signed text, for people to read.
func (r Report) verifyRequest(people []plan.Approver) Check {
	c := Check{What: "the request for the run"}
	q := r.Requester
	switch {
	case q == nil:
		return c.end(errors.New("nobody is known to have asked for it"), "")
	case unsigned(*q):
		return Check{What: c.What, Holds: true, Why: "by " + q.Name + ", which signs nothing"}
	}
	c.What = q.Name + " asked for the run"
	said := signature.Lines(q.Text)
	for _, l := range []struct{ key, is string }{{"lab", r.Lab}, {"runbook", r.Runbook}, {"run", r.Run}, {"requester", q.Name}} {
		if said[l.key] != l.is {
			return c.end(fmt.Errorf("it was signed for %s %s, the report says %s", l.key, said[l.key], l.is), "")
		}
	}
	return c.end(signedBy(q.Signature, signature.RequestNamespace, q.Name, people), q.Key)
}

// verifyApproval looks at one approval, as of when it was taken.
func (r Report) verifyApproval(a runapi.Consent, people []plan.Approver, want *plan.Approvers, firstRun string) (plan.Approver, error) {
	if firstRun == "" {
		firstRun = signature.Lines(a.Text)["first run"]
	}
	if firstRun == "-" {
		firstRun = ""
	}
	is := signature.Approval{Lab: r.Lab, Runbook: r.Runbook, Run: r.Run, FirstRun: firstRun, Plan: a.Hash}
	who, _, err := signature.CheckApproval(a.Text, a.SSH, is, people, a.At)
	asked := r.Requester != nil && r.Requester.Key != "" && signature.SamePerson(who, plan.Approver{Name: r.Requester.Name, Key: r.Requester.Key})
	switch {
	case err != nil:
		return who, err
	case who.Name != a.Name:
		return who, fmt.Errorf("it was signed by %s, the report says %s", who.Name, a.Name)
	case asked:
		return who, fmt.Errorf("%s asked for the run", who.Name)
	case !slices.ContainsFunc(want.Of, func(p plan.Approver) bool { return signature.SamePerson(p, who) }):
		return who, fmt.Errorf("%s is no approver of %s", who.Name, r.Runbook)
	}
	return who, nil
}

// verifyCount looks whether the run began with enough approvals: those of its first plan.
func (r Report) verifyCount(good map[string][]plan.Approver, need int) Check {
	c := Check{What: fmt.Sprintf("approved by %d", need)}
	began := slices.ContainsFunc(r.Steps, func(s Step) bool { return !s.Begun.IsZero() }) || r.Counts.Done+r.Counts.Skipped+r.Counts.HalfDone > 0
	first := r.Hash
	if len(r.Approvals) > 0 {
		first = r.Approvals[0].Hash
	}
	n := len(good[first])
	switch {
	case n >= need:
		return Check{What: c.What, Holds: true, Why: fmt.Sprintf("%s of plan %s", words.Count(n, "valid approval"), plan.ShortHash(first))}
	case !began:
		return Check{What: c.What, Holds: true, Why: fmt.Sprintf("%d so far; no step has begun", n)}
	}
	return c.end(fmt.Errorf("steps have begun with %s of plan %s", words.Count(n, "valid approval"), plan.ShortHash(first)), "")
}

// signedBy says why a text was not signed with the key of that person.
func signedBy(s runapi.Signature, namespace, name string, people []plan.Approver) error {
	key, err := signature.Verify(s.SSH, namespace, s.Text)
	if err != nil {
		return err
	}
	who, err := signature.Owner(key, people)
	if err == nil && who.Name != name {
		err = fmt.Errorf("it was signed with the key of %s, not of %s", who.Name, name)
	}
	return err
}

// signatures tells who signed what.
func (r Report) signatures(w io.Writer) {
	var lines []string
	if q := r.Requester; q != nil {
		lines = append(lines, fmt.Sprintf("  %s  asked for by %s%s", words.Second(q.At), q.Name, keyOf(q.Key)))
	}
	for _, a := range r.Approvals {
		lines = append(lines, fmt.Sprintf("  %s  plan %s approved by %s%s", words.Second(a.At), plan.ShortHash(a.Hash), a.Name, keyOf(a.Key)))
	}
	if len(lines) > 0 {
		lines = append(lines, "  look at them again: nightshift report verify "+r.Run)
	}
	section(w, "Signed", lines)
}

// sign is the flag that an approval needs where signatures do.
func sign(a *plan.Approvers) string {
	if a == nil {
		return ""
	}
	return " --sign"
}

func keyOf(line string) string {
	key, err := signature.ParseKey(line)
	if err != nil {
		return ""
	}
	return " (" + key.Type() + " " + signature.Fingerprint(key) + ")"
}
