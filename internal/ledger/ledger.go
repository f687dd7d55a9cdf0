// Package ledger is what a lab's runs keep between them: who works on what (locks), what was switched off and must be
// switched on again (debts), what ran before (memory), what a vCenter that goes down last knew (records), and whether
// tonight is off (hold). It is the state of one long-lived workflow per lab, and the rules by which that state changes.
//
// It is plain Go: workflows/ wraps it, activities/ and starter/ talk to it by the names below.
package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/plan"
)

// WorkflowID is the ledger's of a lab.
func WorkflowID(lab string) string { return "nightshift-ledger-" + lab }

// Workflow is the type name of the ledger's workflow, StateQuery the query that answers its State.
const (
	Workflow   = "Ledger"
	StateQuery = "state"
	// Update takes a Change. Its answer is an error that says why not, or nothing.
	Update = "change"
	// Locked is the type of the application error by which a lock is refused. Its detail is the Lock that is in the way.
	Locked = "Locked"
)

// A State is the whole ledger. The JSON form is what `status -o json` exports.
type State struct {
	Lab    string                 `json:"lab"`
	Locks  []Lock                 `json:"locks"`
	Debts  []plan.Debt            `json:"debts"`
	Memory []plan.RememberedGuest `json:"memory"`
	Hold   *Hold                  `json:"hold,omitempty"`
	// Records are what vCenters last knew of their hosts and guests, one for each that goes down itself.
	Records []Record `json:"records,omitempty"`
	// Groups are how protection groups are doing, as their last replication measured it.
	Groups []Group `json:"groups,omitempty"`
	// Acts are the last things that people did to the ledger, oldest first.
	Acts []Act `json:"acts"`
}

// A Holder is a run: the whole chain of it, through every Continue-As-New.
type Holder struct {
	Workflow string `json:"workflow"` // workflow id
	FirstRun string `json:"firstRun"` // run id of the first run of the chain
	Runbook  string `json:"runbook"`
	By       string `json:"by"` // who asked for it, as claimed
}

func (h Holder) same(o Holder) bool { return h.Workflow == o.Workflow && h.FirstRun == o.FirstRun }

// A Lock says that a run works on a scope: "lab", or "KIND:NAME". The lab's conflicts with every other.
type Lock struct {
	Scope  string    `json:"scope"`
	Holder Holder    `json:"holder"`
	Since  time.Time `json:"since"`
}

// LabScope is the lock on everything.
const LabScope = "lab"

// A Hold keeps scheduled runs from starting: "not tonight".
type Hold struct {
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
}

// A Record is a vCenter's inventory as it was when a power-down began, for the power-up that begins without it.
type Record struct {
	VCenter string    `json:"vcenter"` // its name in the lab file
	At      time.Time `json:"at"`
	Run     string    `json:"run"`    // workflow id
	Packed  []byte    `json:"packed"` // gzip of the JSON of a live.VCenter
}

// An Act is something that a person did to the ledger.
type Act struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	What string    `json:"what"`
}

// A Change of the ledger. Exactly one of the pointers and lists is set.
type Change struct {
	By string `json:"by,omitempty"` // for Unlock, Hold, Unhold, Forgive and ForgetGuest: who says so, as claimed

	Acquire  *Acquire               `json:"acquire,omitempty"`
	Release  *Holder                `json:"release,omitempty"` // all locks of the holder; none is fine
	Unlock   *Unlock                `json:"unlock,omitempty"`
	Owe      *plan.Debt             `json:"owe,omitempty"`    // the first value stands: a debt that is there is left as it is
	Settle   string                 `json:"settle,omitempty"` // a debt's id; gone is fine
	Forgive  *Forgive               `json:"forgive,omitempty"`
	Remember []plan.RememberedGuest `json:"remember,omitempty"` // adds; what is there is left as it is
	Forget   []plan.RememberedGuest `json:"forget,omitempty"`
	Record   *Record                `json:"record,omitempty"` // takes the place of the vCenter's earlier one
	Measure  *Measured              `json:"measure,omitempty"`
	// ForgetGuest is for a person: Forget is what a power-up does.
	ForgetGuest *ForgetGuest `json:"forgetGuest,omitempty"`
	Hold        *Hold        `json:"hold,omitempty"`
	Unhold      bool         `json:"unhold,omitempty"`
}

// Acquire takes all scopes or none. A holder that has a scope already keeps it.
type Acquire struct {
	Scopes []string `json:"scopes"`
	Holder Holder   `json:"holder"`
}

// Unlock frees the locks of a run that closed without releasing them. The caller has made sure that it closed.
type Unlock struct {
	Workflow string `json:"workflow"`
	Reason   string `json:"reason"`
}

// Forgive gives up a debt without settling it: a person did it by hand, or the cluster is gone.
type Forgive struct {
	Debt   string `json:"debt"`
	Reason string `json:"reason"`
}

// ForgetGuest strikes out one remembered guest: it was deleted, or is not to be started again.
type ForgetGuest struct {
	Endpoint string `json:"endpoint,omitempty"` // its vCenter's name in the lab file; empty: any
	Guest    string `json:"guest"`              // UUID, or name
	Reason   string `json:"reason"`
}

// A Conflict is why a lock was not granted.
type Conflict struct{ Lock Lock }

func (c *Conflict) Error() string {
	return fmt.Sprintf("%s is locked by run %s (%s, by %s) since %s",
		c.Lock.Scope, c.Lock.Holder.Workflow, c.Lock.Holder.Runbook, c.Lock.Holder.By, c.Lock.Since.UTC().Format(time.RFC3339))
}

// Check says what forbids the change, nil if nothing does. A *Conflict where a lock is taken.
func (s *State) Check(c Change) error {
	switch {
	case c.Acquire != nil:
		return s.conflict(*c.Acquire)
	case c.Unlock != nil:
		if c.Unlock.Reason == "" || c.By == "" {
			return errors.New("unlock needs a reason and a name")
		}
		if !slices.ContainsFunc(s.Locks, func(l Lock) bool { return l.Holder.Workflow == c.Unlock.Workflow }) {
			return fmt.Errorf("run %s holds no lock", c.Unlock.Workflow)
		}
	case c.Forgive != nil:
		if c.Forgive.Reason == "" || c.By == "" {
			return errors.New("to give up a debt needs a reason and a name")
		}
		if !slices.ContainsFunc(s.Debts, func(d plan.Debt) bool { return d.ID == c.Forgive.Debt }) {
			return fmt.Errorf("there is no debt %s", c.Forgive.Debt)
		}
	case c.ForgetGuest != nil:
		return s.checkForget(c.By, *c.ForgetGuest)
	case c.Hold != nil:
		if c.Hold.Reason == "" || c.By == "" {
			return errors.New("a hold needs a reason and a name")
		}
	case c.Unhold:
		if s.Hold == nil {
			return errors.New("there is no hold")
		}
	case c.Release == nil && c.Owe == nil && c.Settle == "" && c.Remember == nil && c.Forget == nil && c.Record == nil && c.Measure == nil:
		return errors.New("the change says nothing")
	}
	return nil
}

func (s *State) conflict(a Acquire) error {
	for _, want := range a.Scopes {
		for _, l := range s.Locks {
			if !l.Holder.same(a.Holder) && (l.Scope == want || l.Scope == LabScope || want == LabScope) {
				return &Conflict{l}
			}
		}
	}
	return nil
}

func (s *State) checkForget(by string, f ForgetGuest) error {
	if f.Reason == "" || by == "" {
		return errors.New("to forget a guest needs a reason and a name")
	}
	var ids []string
	for _, g := range s.Memory {
		if f.means(g) {
			ids = append(ids, g.Endpoint+"/"+g.UUID)
		}
	}
	switch len(ids) {
	case 0:
		return fmt.Errorf("no guest %s is remembered", f.Guest)
	case 1:
		return nil
	}
	return fmt.Errorf("%d remembered guests are called %s: say which, %s", len(ids), f.Guest, strings.Join(ids, " or "))
}

func (f ForgetGuest) means(g plan.RememberedGuest) bool {
	return (f.Endpoint == "" || f.Endpoint == g.Endpoint) && (f.Guest == g.Name || strings.EqualFold(f.Guest, g.UUID))
}

// Apply makes the change, which Check allowed, at the given time.
func (s *State) Apply(c Change, now time.Time) {
	switch {
	case c.Acquire != nil:
		for _, scope := range c.Acquire.Scopes {
			if !slices.ContainsFunc(s.Locks, func(l Lock) bool { return l.Scope == scope }) {
				s.Locks = append(s.Locks, Lock{Scope: scope, Holder: c.Acquire.Holder, Since: now})
			}
		}
	case c.Release != nil:
		s.Locks = slices.DeleteFunc(s.Locks, func(l Lock) bool { return l.Holder.same(*c.Release) })
	case c.Unlock != nil:
		s.Locks = slices.DeleteFunc(s.Locks, func(l Lock) bool { return l.Holder.Workflow == c.Unlock.Workflow })
		s.act(now, c.By, "unlocked run "+c.Unlock.Workflow+": "+c.Unlock.Reason)
	case c.Owe != nil:
		if !slices.ContainsFunc(s.Debts, func(d plan.Debt) bool { return d.ID == c.Owe.ID }) {
			d := *c.Owe
			d.Since = now
			s.Debts = append(s.Debts, d)
		}
	case c.Settle != "":
		s.Debts = slices.DeleteFunc(s.Debts, func(d plan.Debt) bool { return d.ID == c.Settle })
	case c.Forgive != nil:
		s.Debts = slices.DeleteFunc(s.Debts, func(d plan.Debt) bool { return d.ID == c.Forgive.Debt })
		s.act(now, c.By, "gave up debt "+c.Forgive.Debt+": "+c.Forgive.Reason)
	case c.Remember != nil:
		for _, g := range c.Remember {
			if s.remembered(g) < 0 {
				g.Since = now
				s.Memory = append(s.Memory, g)
			}
		}
	case c.Forget != nil:
		for _, g := range c.Forget {
			if i := s.remembered(g); i >= 0 {
				s.Memory = slices.Delete(s.Memory, i, i+1)
			}
		}
	case c.Record != nil:
		s.Records = append(slices.DeleteFunc(s.Records, func(r Record) bool { return r.VCenter == c.Record.VCenter }), *c.Record)
	case c.Measure != nil:
		s.measure(*c.Measure)
	case c.ForgetGuest != nil:
		if i := slices.IndexFunc(s.Memory, c.ForgetGuest.means); i >= 0 {
			g := s.Memory[i]
			s.Memory = slices.Delete(s.Memory, i, i+1)
			s.act(now, c.By, fmt.Sprintf("forgot guest %s (%s/%s): %s", g.Name, g.Endpoint, g.UUID, c.ForgetGuest.Reason))
		}
	case c.Hold != nil:
		h := *c.Hold
		h.By, h.Since = c.By, now
		s.Hold = &h
		s.act(now, c.By, "hold until "+h.Until.UTC().Format(time.RFC3339)+": "+h.Reason)
	case c.Unhold:
		s.Hold = nil
		s.act(now, c.By, "ended the hold")
	}
}

func (s *State) remembered(g plan.RememberedGuest) int {
	return slices.IndexFunc(s.Memory, func(m plan.RememberedGuest) bool { return m.Endpoint == g.Endpoint && m.UUID == g.UUID })
}

// keepActs bounds the list, as the state travels through every Continue-As-New.
const keepActs = 100

func (s *State) act(now time.Time, by, what string) {
	s.Acts = append(s.Acts, Act{At: now, By: by, What: what})
	if n := len(s.Acts) - keepActs; n > 0 {
		s.Acts = slices.Delete(s.Acts, 0, n)
	}
}

// Held tells whether a hold stands at the time.
func (s *State) Held(now time.Time) bool { return s.Hold != nil && now.Before(s.Hold.Until) }

// Debt finds a debt by its id.
func (s *State) Debt(id string) (plan.Debt, bool) {
	i := slices.IndexFunc(s.Debts, func(d plan.Debt) bool { return d.ID == id })
	if i < 0 {
		return plan.Debt{}, false
	}
	return s.Debts[i], true
}
