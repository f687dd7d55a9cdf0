// Package steps is the language of step runbooks: YAML files in which people write runbooks of their own over the actions
// that nightshift knows. It reads them, says what is wrong with line and column, and unfolds them, with the parameters of a
// run and what is live, into a flat list of steps. What a step is in a plan is said in package runbooks.
//
// It is pure: it reads no file, no clock and no system.
package steps

import (
	"reflect"

	"github.com/goccy/go-yaml/token"

	"nightshift/internal/plan"
)

// A Definition is a step runbook as it is written.
type Definition struct {
	// Name is how the runbook is called: lower-case letters, digits and dashes. The file is called NAME.yaml.
	Name string `json:"name" jsonschema:"pattern=^[a-z][a-z0-9-]{0,49}$"`
	// Description says when to use it and what it does. Its first line stands in lists.
	Description string `json:"description" lines:"true"`
	// Parameters are what one can tell a run of it.
	Parameters []Parameter `json:"parameters,omitempty"`
	// Steps are done in their order, as far as needs does not say otherwise.
	Steps []Step `json:"steps" jsonschema:"minItems=1"`

	file string
	data []byte
	at   map[string]*token.Position
}

// File is the name of the file that it was read from.
func (d *Definition) File() string { return d.file }

// Types of parameters.
const (
	TypeString   = "string"
	TypeInt      = "int"
	TypeBool     = "bool"
	TypeDuration = "duration"
	TypeGuest    = "guest"   // the name of a guest
	TypeHost     = "host"    // of a host in the lab file
	TypeCluster  = "cluster" // of a vSphere cluster
	TypeMachine  = "machine" // of a machine that is reached over SSH
	TypeChoice   = "choice"
)

// A Parameter is one thing that a run can be told.
type Parameter struct {
	// Name is a letter and then letters or digits, as conditions use it: backupHost.
	Name string `json:"name" jsonschema:"pattern=^[a-z][A-Za-z0-9]{0,39}$"`
	Type string `json:"type" jsonschema:"enum=string,enum=int,enum=bool,enum=duration,enum=guest,enum=host,enum=cluster,enum=machine,enum=choice"`
	// Description says what it is for.
	Description string `json:"description,omitempty" lines:"true"`
	// Default holds where the parameter is not given.
	Default any `json:"default,omitempty"`
	// Required: a run is refused without it.
	Required bool `json:"required,omitempty"`
	// List takes several values, with commas between them, for foreach.
	List bool `json:"list,omitempty"`
	// Pattern is a regular expression (RE2) that the whole of a string must match.
	Pattern string `json:"pattern,omitempty"`
	// Choices are the values that a choice has.
	Choices []string `json:"choices,omitempty"`
}

// A Step is one thing to do, or several: a runbook or a block of steps for each of many things.
type Step struct {
	// ID is unique in its list: lower-case letters, digits and dashes.
	ID string `json:"id" jsonschema:"pattern=^[a-z0-9][a-z0-9-]{0,49}$"`
	// Title is what plans and reports call it. It may hold ${parameter} and ${item.name}.
	Title string `json:"title,omitempty"`
	// Uses is the action: guest/shutdown, ssh/run, wait, …, or runbook/NAME for all steps of another step runbook.
	Uses string `json:"uses,omitempty"`
	// With are what the action wants to know. Text in it may hold ${parameter} and ${item.name}.
	With map[string]any `json:"with,omitempty"`
	// Steps, in place of uses, are a block: done one after the other, for each item of foreach.
	Steps []Step `json:"steps,omitempty"`
	// Needs are the steps of the same list that must be done before. Without it, the step before. An empty list: none.
	Needs []string `json:"needs,omitempty"`
	// When is a condition, looked at when the plan is made: reboot && item.power == "on". Where it does not hold, the step is left out.
	When string `json:"when,omitempty"`
	// ForEach does it once for each of many things.
	ForEach *ForEach `json:"foreach,omitempty"`
	// OnFailure is what happens when it has failed for good: ask (default), skip, force or abort. A skip or an abort stands, whatever --on-failure says.
	OnFailure plan.OnFailure `json:"onFailure,omitempty" jsonschema:"enum=ask,enum=skip,enum=force,enum=abort"`
	// Timeout is how long what it does may take.
	Timeout plan.Duration `json:"timeout,omitempty"`
}

// ForEach names the things: exactly one of parameter, guests and hosts.
type ForEach struct {
	// Parameter is one with list: true.
	Parameter string `json:"parameter,omitempty"`
	// Guests are those of the live lab that fit all that is said here, when the plan is made; {} is all of them.
	Guests *Selector `json:"guests,omitempty"`
	// Hosts are the same of the hosts in the lab file.
	Hosts *Selector `json:"hosts,omitempty"`
	// Batch is how many at a time; the next ones begin when these are done. Without it all at once, as far as the limits go.
	Batch int `json:"batch,omitempty" jsonschema:"minimum=1"`
}

// A Selector chooses guests or hosts. Those that are kept, and templates, are never chosen.
type Selector struct {
	Name    string `json:"name,omitempty"`    // a pattern with * and ?: web*
	Tag     string `json:"tag,omitempty"`     // guests that bear the vSphere tag
	Folder  string `json:"folder,omitempty"`  // guests in this folder, or below it: /Home/vm/prod
	Cluster string `json:"cluster,omitempty"` // in this vSphere cluster
	Host    string `json:"host,omitempty"`    // guests on this host
	Power   string `json:"power,omitempty" jsonschema:"enum=on,enum=off"`
}

// fields are the values of the selector that may hold templates, by their keys.
func (s *Selector) fields() map[string]*string {
	return map[string]*string{"name": &s.Name, "tag": &s.Tag, "folder": &s.Folder, "cluster": &s.Cluster, "host": &s.Host}
}

// A Fact is what conditions and templates know of a guest, a host or another item, as it was when the plan was made.
type Fact struct {
	Name        string   `expr:"name"`
	Kind        string   `expr:"kind"`  // guest | host; empty: only its name is known
	Power       string   `expr:"power"` // on | off | suspended | unknown
	Host        string   `expr:"host"`  // of a guest
	Cluster     string   `expr:"cluster"`
	Folder      string   `expr:"folder"` // of a guest
	IP          string   `expr:"ip"`     // of a guest, as its Tools tell it
	Version     string   `expr:"version"`
	Tools       bool     `expr:"tools"`
	Connected   bool     `expr:"connected"`
	Maintenance bool     `expr:"maintenance"`
	Tags        []string `expr:"tags"`
	// Kept says why it is left alone; empty: it is not.
	Kept string `expr:"-"`
}

// text are the parts of a fact that a template may name.
func (f Fact) text(part string) (string, bool) {
	t := reflect.TypeFor[Fact]()
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("expr") == part && t.Field(i).Type.Kind() == reflect.String {
			return reflect.ValueOf(f).Field(i).String(), true
		}
	}
	return "", false
}

// A Live tells what is there. Lists are in an order that does not change.
type Live interface {
	Guests() []Fact
	Hosts() []Fact
}
