package plan

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// Beyond says what of a plan goes beyond the one that was approved, in people's words: another object is changed, an
// object is changed in a new way, or in a harsher one. Placement, time-outs, order and what only reads need no approval;
// nor does what is left out.
func Beyond(approved, now Plan) (beyond []string) {
	before := map[string]Step{}
	acts := map[deed][]Step{}
	known := map[thing]bool{}
	for _, s := range approved.Steps {
		before[s.ID] = s
		if s.Changes() {
			acts[s.deed()] = append(acts[s.deed()], s)
			known[s.thing()] = true
		}
	}
	for _, s := range now.Steps {
		if !s.Changes() || reflect.DeepEqual(s, before[s.ID]) {
			continue
		}
		switch same := acts[s.deed()]; {
		case !known[s.thing()]:
			beyond = append(beyond, fmt.Sprintf("%s: %s is not in the approved plan", s.Title, identity(s.Target)))
		case len(same) == 0:
			beyond = append(beyond, fmt.Sprintf("%s: the approved plan does something else to %s", s.Title, s.Target))
		case !slices.ContainsFunc(same, func(was Step) bool { return !s.harsherThan(was) }):
			beyond = append(beyond, fmt.Sprintf("%s: this is harsher than what was approved", s.Title))
		}
	}
	return beyond
}

// A thing is what a step changes. Direct is the way to it, Name what people call it today.
type thing struct {
	kind                Kind
	endpoint, ref, uuid string
	// Of a lab without vCenter references: hosts before their first record, application clusters.
	name string
}

func (s Step) thing() thing {
	t := s.Target
	o := thing{kind: t.Kind, endpoint: t.Endpoint, ref: t.Ref, uuid: t.UUID}
	if t.Ref == "" && t.UUID == "" {
		o.name = t.Name
	}
	return o
}

// A deed is an action on an object: for settings, the setting as well; for hosts, the BMC that it goes through; for
// application clusters, the commands.
type deed struct {
	thing
	action Action
	what   string
}

func (s Step) deed() deed {
	if all, ok := s.wholeDeed(); ok {
		return deed{s.thing(), s.Action, all}
	}
	var p struct {
		Setting     Setting `json:"setting"`
		Host        string  `json:"host"`
		Application string  `json:"application"`
		Commands    string  `json:"commands"`
	}
	if len(s.Params) > 0 && json.Unmarshal(s.Params, &p) != nil {
		return deed{s.thing(), s.Action, string(s.Params)}
	}
	if s.Target.Kind == Guest { // where it was when it was planned: what is done to it is the same elsewhere
		p.Host = ""
	}
	return deed{s.thing(), s.Action, string(p.Setting) + p.Host + p.Application + p.Commands}
}

// harsherThan compares two steps that do the same action to the same object.
func (s Step) harsherThan(was Step) bool {
	if s.Always && !was.Always || harsher(string(s.OnFailure), string(was.OnFailure), string(Skip), string(Force)) {
		return true
	}
	switch s.Action {
	case ShutdownGuest:
		var p, q ShutdownGuestParams
		if json.Unmarshal(s.Params, &p) != nil || json.Unmarshal(was.Params, &q) != nil {
			return true
		}
		steps := []string{SuspendGuest, PowerOffGuest}
		return harsher(p.Method, q.Method, steps...) || harsher(p.OnTimeout, q.OnTimeout, steps...) || harsher(p.NoTools, q.NoTools, steps...)
	case ShutdownHost:
		var p, q ShutdownHostParams
		if json.Unmarshal(s.Params, &p) != nil || json.Unmarshal(was.Params, &q) != nil {
			return true
		}
		return harsher(p.Via, q.Via, ViaBMC) || harsher(p.NoRights, q.NoRights, GracefulBMC) || harsher(p.OnTimeout, q.OnTimeout, ForceOffBMC)
	}
	return false
}

// harsher tells whether a comes later than b in the order of harshness; what is not in it is gentle.
func harsher(a, b string, order ...string) bool {
	return slices.Index(order, a) > slices.Index(order, b)
}
