package signature

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/plan"
)

const (
	// MaxExpiry is how far ahead an approval may reach.
	MaxExpiry = 24 * time.Hour
	// requestSkew is how far the time in a request and the start of its run may be apart: the clocks of two machines.
	requestSkew = 10 * time.Minute
)

// CheckApproval says who signed the approval, or why it is none of the run and plan in want, whose Approver and Expires are
// not looked at. The signer is one of the people; now is when the approval is given. It answers also when it expires.
func CheckApproval(signed, sig string, want Approval, people []plan.Approver, now time.Time) (plan.Approver, time.Time, error) {
	values, err := compare(signed, approvalTitle, want.lines(), "approver", "expires")
	if err != nil {
		return plan.Approver{}, time.Time{}, fmt.Errorf("not this approval: %w", err)
	}
	expires, err := parseMoment(values["expires"])
	switch {
	case err != nil:
		return plan.Approver{}, expires, err
	case !expires.After(now):
		return plan.Approver{}, expires, fmt.Errorf("the approval expired at %s, it is %s: sign it again", moment(expires), moment(now))
	case expires.Sub(now) > MaxExpiry:
		return plan.Approver{}, expires, fmt.Errorf("the approval would be good until %s: %s ahead is the most", moment(expires), hours(MaxExpiry))
	}
	who, err := signer(signed, sig, ApprovalNamespace, values["approver"], people)
	return who, expires, err
}

// CheckRequest says who signed the request, or why it is none of the run in want, whose Requester and At are not looked at.
// started is when the run began.
func CheckRequest(signed, sig string, want Request, people []plan.Approver, started time.Time) (plan.Approver, error) {
	values, err := compare(signed, requestTitle, want.lines(), "requester", "signed")
	if err != nil {
		return plan.Approver{}, fmt.Errorf("not this request: %w", err)
	}
	at, err := parseMoment(values["signed"])
	if err != nil {
		return plan.Approver{}, err
	}
	if d := started.Sub(at).Abs(); d > requestSkew {
		return plan.Approver{}, fmt.Errorf("the request was signed at %s, the run began at %s: more than %s apart; sign it anew, and look at the clocks", moment(at), moment(started), requestSkew)
	}
	return signer(signed, sig, RequestNamespace, values["requester"], people)
}

// signer is the person whose key made the signature; it must be the one whose name was signed.
func signer(signed, sig, namespace, name string, people []plan.Approver) (plan.Approver, error) {
	key, err := Verify(sig, namespace, signed)
	if err != nil {
		return plan.Approver{}, err
	}
	who, err := Owner(key, people)
	if err != nil {
		return plan.Approver{}, err
	}
	if who.Name != name {
		return plan.Approver{}, fmt.Errorf("it names %s, but was signed with the key of %s", name, who.Name)
	}
	return who, nil
}

// ErrUnknownKey is for a signature by nobody who is known.
var ErrUnknownKey = errors.New("the key is of nobody who may sign")

// Owner is whose key it is. An ErrUnknownKey: nobody's.
func Owner(key ssh.PublicKey, people []plan.Approver) (plan.Approver, error) {
	for _, p := range people {
		if k, err := ParseKey(p.Key); err == nil && Same(k, key) {
			return p, nil
		}
	}
	return plan.Approver{}, fmt.Errorf("%w: %s", ErrUnknownKey, Fingerprint(key))
}

// SamePerson tells whether two are one: by name, or by key.
func SamePerson(a, b plan.Approver) bool {
	if a.Name == b.Name {
		return true
	}
	x, errX := ParseKey(a.Key)
	y, errY := ParseKey(b.Key)
	return errX == nil && errY == nil && Same(x, y)
}

func hours(d time.Duration) string { return fmt.Sprintf("%dh", int(d.Hours())) }

// Lines are the values of a signed text by their keys; none of a text that is not one of ours. For looking only: what they
// say is worth nothing before the signature was checked.
func Lines(text string) map[string]string {
	out := map[string]string{}
	_, body, _ := strings.Cut(text, "\n\n")
	for l := range strings.Lines(body) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(l, "\n"), ": "); ok {
			out[key] = value
		}
	}
	return out
}
