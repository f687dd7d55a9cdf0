package plan

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The packed form of a plan, column by column: what steps have in common is written once, as their shape, and beside it
// which target each has and what it needs. What remains is mostly the UUIDs, which are random: 16 bytes a guest.
//
// A shape is a step without its needs, in which own* stand for what its target is called. Params that list other objects
// (RememberRunning) name them by their place among the objects.

// packedColumns is the first byte. That of zlib, in which plans were packed before, is 0x78.
const packedColumns = 2

// Stand-ins. Plans in which one of these characters occurs are packed as JSON.
const (
	ownName    = "\x01" // of the step's target
	ownRef     = "\x02"
	ownUUID    = "\x03"
	otherUUID  = "\x04" // followed by the distance from the object named before, and otherEnd
	otherEnd   = "\x05"
	otherName  = "\x06" // of the object that was named by its UUID last
	otherRef   = "\x07"
	standsIn   = ownName + ownRef + ownUUID + otherUUID + otherEnd + otherName + otherRef
	uuidLength = 36
)

// An object is what targets are, without what their kind tells.
type object struct{ name, ref, uuid string }

// A shape is what many steps have in common. Params are text, as they hold stand-ins.
type shape struct {
	Step   Step   `json:"step"`
	Params string `json:"params,omitempty"`
}

// columns are the parts of a packed plan.
type columns struct {
	head    Plan // without its steps
	objects []object
	shapes  []shape
	steps   []columnStep
}

// A columnStep is one step: which shape, which object, and the steps that it needs, by their numbers.
type columnStep struct {
	shape, object int
	needs         []int
}

// inColumns answers false where the plan cannot be written so: it holds stand-ins, or a need that is not in the plan.
func inColumns(p Plan) (columns, bool) {
	c := columns{head: p}
	if c.head.Steps = nil; len(p.Steps) == 0 {
		c.head.Steps = p.Steps // none, or an empty list: the hash knows the difference
	}
	number := make(map[string]int, len(p.Steps))
	for i, s := range p.Steps {
		number[s.ID] = i
	}
	objects, byUUID, shapes := map[object]int{}, map[string]int{}, map[string]int{}
	for _, s := range p.Steps {
		o := object{s.Target.Name, s.Target.Ref, s.Target.UUID}
		if _, known := objects[o]; !known {
			objects[o] = len(c.objects)
			if isUUID(o.uuid) {
				byUUID[o.uuid] = len(c.objects)
			}
			c.objects = append(c.objects, o)
		}
	}
	for _, s := range p.Steps {
		o := object{s.Target.Name, s.Target.Ref, s.Target.UUID}
		step := columnStep{object: objects[o], needs: make([]int, len(s.Needs))}
		for k, need := range s.Needs {
			j, ok := number[need]
			if !ok {
				return c, false
			}
			step.needs[k] = j
		}
		sh := shape{Step: s, Params: c.otherObjects(string(s.Params), byUUID)}
		sh.Step.Needs, sh.Step.Params = nil, nil
		if strings.ContainsAny(s.ID+s.Title+s.Group+o.name+o.ref+o.uuid+string(s.Params), standsIn) || len(s.Params) > 0 && !json.Valid(s.Params) || !utf8.Valid(s.Params) {
			return c, false
		}
		sh = sh.replace(o.to())
		text, err := json.Marshal(sh)
		if err != nil {
			return c, false
		}
		n, known := shapes[string(text)]
		if !known {
			n = len(c.shapes)
			shapes[string(text)] = n
			c.shapes = append(c.shapes, sh)
		}
		step.shape = n
		c.steps = append(c.steps, step)
	}
	return c, true
}

// to puts the stand-ins in the place of the object's names; from does the reverse. The longest goes first: a name may be
// part of another.
func (o object) to() *strings.Replacer {
	return pairs([2]string{o.uuid, ownUUID}, [2]string{o.ref, ownRef}, [2]string{o.name, ownName})
}

func (o object) from() *strings.Replacer {
	return pairs([2]string{ownUUID, o.uuid}, [2]string{ownRef, o.ref}, [2]string{ownName, o.name})
}

func pairs(list ...[2]string) *strings.Replacer {
	var args []string
	for _, p := range list {
		if p[0] != "" {
			args = append(args, p[0], p[1])
		}
	}
	return strings.NewReplacer(args...)
}

// replace is the shape with everything replaced that may hold names of the target.
func (s shape) replace(r *strings.Replacer) shape {
	for _, field := range []*string{&s.Step.ID, &s.Step.Title, &s.Step.Group, &s.Step.Target.Name, &s.Step.Target.Ref, &s.Step.Target.UUID, &s.Params} {
		*field = r.Replace(*field)
	}
	return s
}

// otherObjects puts stand-ins in the place of objects that the parameters list by UUID.
func (c *columns) otherObjects(params string, byUUID map[string]int) string {
	if len(params) < 2*uuidLength { // one UUID is the target's own
		return params
	}
	var b strings.Builder
	last := -1
	for params != "" {
		at := strings.IndexByte(params, '"')
		if at < 0 {
			break
		}
		b.WriteString(params[:at+1])
		params = params[at+1:]
		end := strings.IndexByte(params, '"')
		if end < 0 {
			break
		}
		word := params[:end]
		n, known := byUUID[word]
		switch {
		case known:
			b.WriteString(otherUUID + strconv.Itoa(n-last) + otherEnd)
			last = n
		case last >= 0 && word != "" && word == c.objects[last].name:
			b.WriteString(otherName)
		case last >= 0 && word != "" && word == c.objects[last].ref:
			b.WriteString(otherRef)
		default:
			b.WriteString(word)
		}
		b.WriteByte('"')
		params = params[end+1:]
	}
	b.WriteString(params)
	return b.String()
}

// theObjects is the reverse of otherObjects. What it adds it takes from room.
func (c *columns) theObjects(params string, room *int) (string, error) {
	if !strings.Contains(params, otherUUID) {
		return params, nil
	}
	var b strings.Builder
	last := -1
	for params != "" {
		at := strings.IndexAny(params, otherUUID+otherName+otherRef)
		if at < 0 {
			break
		}
		b.WriteString(params[:at])
		what := params[at : at+1]
		params = params[at+1:]
		if what == otherUUID {
			number, rest, ok := strings.Cut(params, otherEnd)
			distance, err := strconv.Atoi(number)
			if !ok || err != nil || last+distance < 0 || last+distance >= len(c.objects) {
				return "", errors.New("parameters name an object that is not there")
			}
			last += distance
			params = rest
		}
		if last < 0 {
			return "", errors.New("parameters name no object")
		}
		word := c.objects[last].ref
		switch what {
		case otherUUID:
			word = c.objects[last].uuid
		case otherName:
			word = c.objects[last].name
		}
		if *room -= len(word); *room < 0 {
			return "", errTooLarge
		}
		b.WriteString(word)
	}
	b.WriteString(params)
	return b.String(), nil
}

// plan puts the columns together again.
func (c *columns) plan() (Plan, error) {
	p := c.head
	if len(c.steps) > 0 {
		p.Steps = make([]Step, len(c.steps))
	}
	replacers := make([]*strings.Replacer, len(c.objects))
	room := maxUnpacked
	for i, s := range c.steps {
		if replacers[s.object] == nil {
			replacers[s.object] = c.objects[s.object].from()
		}
		sh := c.shapes[s.shape]
		if room -= sh.unfolds(c.objects[s.object]); room < 0 { // before it is made: a few bytes can stand for terabytes
			return p, errTooLarge
		}
		sh = sh.replace(replacers[s.object])
		params, err := c.theObjects(sh.Params, &room)
		if err != nil {
			return p, err
		}
		if params != "" {
			sh.Step.Params = json.RawMessage(params)
		}
		sh.Step.Holds = slices.Clone(sh.Step.Holds)
		p.Steps[i] = sh.Step
	}
	for i, s := range c.steps {
		for _, j := range s.needs {
			p.Steps[i].Needs = append(p.Steps[i].Needs, p.Steps[j].ID)
		}
	}
	return p, nil
}

// unfolds is how many bytes the shape takes with the names of the object in it, without other objects.
func (s shape) unfolds(o object) (n int) {
	for _, text := range []string{s.Step.ID, s.Step.Title, s.Step.Group, s.Step.Target.Name, s.Step.Target.Ref, s.Step.Target.UUID, s.Params} {
		n += len(text) + strings.Count(text, ownName)*len(o.name) + strings.Count(text, ownRef)*len(o.ref) + strings.Count(text, ownUUID)*len(o.uuid)
	}
	return n + len(s.Step.Holds)*int(reflect.TypeFor[string]().Size())
}
