package inventory_test

import (
	"crypto/dsa" //nolint:staticcheck // a key that must be refused
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/inventory"
)

// publicLine is a public key as in authorized_keys.
func publicLine(t *testing.T, key any) string {
	t.Helper()
	k, err := ssh.NewPublicKey(key)
	require.NoError(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

func ed25519Line(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return publicLine(t, public)
}

func TestWhatIsWrongWithPeopleAndApprovers(t *testing.T) {
	ann, bob, joe := ed25519Line(t), ed25519Line(t), ed25519Line(t)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	old := publicLine(t, &dsa.PublicKey{Parameters: dsa.Parameters{P: new(big.Int).Lsh(big.NewInt(1), 1023), Q: big.NewInt(7), G: big.NewInt(2)}, Y: big.NewInt(3)})
	people := func(keys ...string) string {
		out := "lab: home\npeople:\n"
		for i, k := range keys {
			out += fmt.Sprintf("  - {name: %s, key: %q}\n", []string{"ann", "bob", "joe"}[i], k)
		}
		return strings.TrimSuffix(out, "\n")
	}
	approvers := func(a string, keys ...string) string {
		return people(keys...) + "\nrunbooks: {power-down: {approvers: " + a + "}}"
	}
	for _, b := range []bad{
		{name: "no key", text: people("hello"), place: "3:22", field: "people[0].key", says: []string{"no SSH public key", "ends in .pub"}},
		{name: "a private key", text: people("-----BEGIN OPENSSH PRIVATE KEY-----"), place: "3:22", field: "people[0].key", says: []string{"private key", "only the public one"}},
		{name: "an option", text: people("no-pty " + ann), place: "3:22", field: "people[0].key", says: []string{"options before a key"}},
		{name: "a short RSA key", text: people(publicLine(t, &short.PublicKey)), place: "3:22", field: "people[0].key", says: []string{"too short: 2048 bits"}},
		{name: "a DSA key", text: people(old), place: "3:22", field: "people[0].key", says: []string{"no SSH public key"}},
		{name: "one key for two names", text: people(ann, ann+" bob@desk"), place: "4:22", field: "people[1].key", says: []string{"bob has the key of ann", "one key is one person"}},
		{name: "a name twice", text: people(ann) + "\n  - {name: ann, key: " + bob + "}", place: "4:12", field: "people[1].name", says: []string{"the person ann is here twice"}},
		{name: "a stranger", text: approvers("{of: [anne]}", ann, bob), place: "5:42", field: "runbooks.power-down.approvers.of[0]", says: []string{`no person "anne"`, `did you mean "ann"?`}},
		{name: "no people", text: "lab: home\nrunbooks: {power-down: {approvers: {of: [ann]}}}", field: "runbooks.power-down.approvers.of[0]", place: "2:42", says: []string{"this file has no person"}},
		{name: "nobody", text: approvers("{of: []}", ann, bob), place: "5:37", field: "runbooks.power-down.approvers.of", says: []string{"nobody may approve"}},
		{name: "an approver twice", text: approvers("{of: [ann, bob, ann]}", ann, bob, joe), place: "6:52", field: "runbooks.power-down.approvers.of[2]", says: []string{"ann is here twice"}},
		{name: "more than there are", text: approvers("{need: 3, of: [ann, bob]}", ann, bob, joe), place: "6:43", field: "runbooks.power-down.approvers.need", says: []string{"3 approvals are needed, but only 2 people", "at most 2"}},
		{name: "nobody could ask", text: approvers("{need: 2, of: [ann, bob]}", ann, bob), place: "5:25", field: "runbooks.power-down.approvers", says: []string{"nobody but a schedule could ever ask"}},
		{name: "too few for a schedule", text: approvers("{of: [ann]}", ann, bob) + "\nschedules: [{name: nightly, runbook: power-down, cron: 0 23 * * *, zone: UTC}]", place: "6:38",
			field: "schedules[0].runbook", says: []string{"takes 2 signed approvals", "only 1 person may approve power-down", "at least 2 people in runbooks.power-down.approvers.of"}},
	} {
		b.old = "lab: home"
		b.run(t)
	}
}

func TestApproversReachTheRunByTheirKeys(t *testing.T) {
	ann, bob, joe := ed25519Line(t), ed25519Line(t), ed25519Line(t)
	lab, err := inventory.Parse("lab.yaml", []byte(replace(t, "lab: home", fmt.Sprintf(`lab: home
people:
  - {name: ann, key: "%s ann@desk"}
  - {name: bob, key: "%s"}
  - {name: joe, key: "%s"}
runbooks: {power-down: {approvers: {of: [joe, ann]}}}`, ann, bob, joe))))
	require.NoError(t, err)
	s := lab.Settings("power-down")
	require.True(t, s.Approval, "--yes must not do")
	require.Equal(t, 1, s.Approvers.Need)
	require.Len(t, s.Approvers.Of, 2)
	require.Equal(t, ann, s.Approvers.Of[0].Key, "without the comment")
	require.Equal(t, "joe", s.Approvers.Of[1].Name)
	require.Len(t, s.Approvers.Known, 3)
	require.Nil(t, lab.Settings("power-up").Approvers)
	require.False(t, lab.Settings("power-up").Approval)
}
