package inventory

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/plan"
	"nightshift/internal/signature"
	"nightshift/internal/words"
)

func (c *checker) people() {
	seen := map[string]string{}
	owners := map[string]Person{}
	for i, p := range c.f.People {
		at := fmt.Sprintf("people[%d]", i)
		c.name(at+".name", p.Name)
		c.unique(seen, p.Name, at+".name", "the person "+p.Name)
		if !c.has(at + ".key") {
			continue
		}
		key, err := signature.ParseKey(p.Key)
		if err != nil {
			c.add(at+".key", err.Error(), "a public key as in authorized_keys: ssh-ed25519, ecdsa-sha2-…, ssh-rsa from 2048 bits on, sk-ssh-ed25519@openssh.com or sk-ecdsa-sha2-nistp256@openssh.com")
			continue
		}
		c.sharedKey(at+".key", key, p, owners)
	}
}

// sharedKey finds one key given to two names: they would pass as two people.
func (c *checker) sharedKey(at string, key ssh.PublicKey, p Person, owners map[string]Person) {
	line := signature.Line(key)
	if other, ok := owners[line]; ok {
		c.add(at, fmt.Sprintf("%s has the key of %s", p.Name, other.Name), "each person needs a key of their own: one key is one person")
		return
	}
	owners[line] = p
}

// approvers checks whose approvals the runbooks want, and whether they can ever come: who asks for a run cannot approve it.
func (c *checker) approvers() {
	people := names(c.f.People, func(p Person) string { return p.Name })
	for _, name := range c.runbookNames() {
		a := c.f.Runbooks[name].Approvers
		if a == nil {
			continue
		}
		at := "runbooks." + name + ".approvers"
		var of []string
		for i, who := range a.Of {
			field := fmt.Sprintf("%s.of[%d]", at, i)
			switch {
			case who == "":
				c.add(field, "the name is empty", among(who, "person", people))
			case slices.Contains(of, who):
				c.add(field, who+" is here twice", "one person is one approval")
			default:
				c.reference(field, who, "person", people)
				of = append(of, who)
			}
		}
		need := max(1, a.Need)
		switch {
		case !c.has(at + ".of"):
		case len(of) == 0:
			c.add(at+".of", "nobody may approve", "names of people: "+strings.Join(people, ", "))
		case need > len(of):
			c.add(at+".need", fmt.Sprintf("%s needed, but only %s may approve", words.CountOf(need, "approval is", "approvals are"), words.CountOf(len(of), "person", "people")), fmt.Sprintf("at most %d", len(of)))
		case !someoneMayAsk(need, of, people) && !slices.ContainsFunc(of, func(who string) bool { return !slices.Contains(people, who) }):
			c.add(at, fmt.Sprintf("%d of %d have to approve, and whoever asks for a run cannot: nobody but a schedule could ever ask for one", need, len(of)),
				"a smaller need, another name in of, or one more person in people who asks")
		}
	}
}

// someoneMayAsk tells whether there is a person without whom enough approvers are left.
func someoneMayAsk(need int, of, people []string) bool {
	return need < len(of) || slices.ContainsFunc(people, func(p string) bool { return !slices.Contains(of, p) })
}

// approvers are a runbook's, with the keys that they sign with; nil where it has none.
func (l *Lab) approvers(runbook string) *plan.Approvers {
	a := l.Runbooks[runbook].Approvers
	if a == nil {
		return nil
	}
	out := &plan.Approvers{Need: max(1, a.Need), Known: l.Signers()}
	for _, p := range out.Known {
		if slices.Contains(a.Of, p.Name) {
			out.Of = append(out.Of, p)
		}
	}
	return out
}

// Signers are the people of the lab, by the keys that they sign with.
func (l *Lab) Signers() []plan.Approver {
	var out []plan.Approver
	for _, p := range l.People {
		if key, err := signature.ParseKey(p.Key); err == nil { // the file is valid
			out = append(out, plan.Approver{Name: p.Name, Key: signature.Line(key)})
		}
	}
	return out
}
