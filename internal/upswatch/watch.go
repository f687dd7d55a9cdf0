package upswatch

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/nut"
	"nightshift/internal/runapi"
)

// Runs are those of the lab.
type Runs interface {
	// Holders are the runs that hold locks on the lab.
	Holders(ctx context.Context) ([]Run, error)
	// Find is the run with the id; nil: there never was one.
	Find(ctx context.Context, id string) (*Run, error)
	// Underway are the power-downs that are, also those that wait for the lab.
	Underway(ctx context.Context) ([]Run, error)
	// Ended are the power-downs that have ended since, the newest first.
	Ended(ctx context.Context, since time.Time) ([]Run, error)
	// Latest are the newest power-downs and power-ups that are under way or have changed something, the newest first, up to the
	// first that is none of those.
	Latest(ctx context.Context, of func(Run) bool) ([]Run, error)
	// Start begins a run, once for each id: that there is one already is no error.
	Start(ctx context.Context, id string, p runapi.Params, summary string) error
	// Abort ends a run in order. One that has ended, or is being aborted, is no error.
	Abort(ctx context.Context, id string, o runapi.Order) error
}

// A Run is what the watch looks at of one.
type Run struct {
	ID         string
	Runbook    string
	Parameters map[string]string // nil: it has none, or they are not known yet
	Open       bool
	Planned    bool // it has a plan
	Stands     bool // it waits for a person: paused, stuck, or for an approval
	Aborting   bool
	Outcome    string // runapi.Done and its like; empty: it is open, or ended in disorder
	Why        string
	Ended      time.Time
	Touched    bool // it has changed something in the lab
	Unread     bool // what it did, or how it ended, could not be read just now
	// Left is what it has left on, though it was to go down: something stood in its way, or a step failed.
	Left []string
}

// An Event is something that happened to a UPS, or because of it.
type Event struct {
	At    time.Time
	UPS   string // its name, or several with commas between
	Text  string // in people's words
	Alarm bool   // somebody should look
}

// A Watch watches. Set all fields but Tell, Every and Now.
type Watch struct {
	Lab    *inventory.Lab
	Runs   Runs
	Logger *slog.Logger
	// Tell is called with every event, after it was logged: the place for notifications. It must not block for long.
	Tell  func(Event)
	Every time.Duration    // between two looks; 0: 5 s
	Now   func() time.Time // nil: time.Now
	// Look reads one UPS; nil: by its NUT server.
	Look func(context.Context, *inventory.UPS) (nut.Status, error)

	tracks  map[string]Track
	told    map[string]string    // the last thing said about a subject
	settled map[string]time.Time // when a power-down ended after which nothing is left to do, by host
	began   time.Time            // of this watch
	sought  bool                 // what became of an older watch's power-down was looked for
	tried   map[string]int       // how many tries of a power-down are over, by the id of the first
	toRaise bool                 // something may have to come up again
}

const (
	every       = 5 * time.Second
	lookTimeout = 10 * time.Second
	runsTimeout = time.Minute
	// tryAgain is when a power-down that was refused, or could not be planned, or has left something, is tried again; the first
	// soonTries times, and then every tryLater. mostTries is how often in all: for some eight hours.
	tryAgain  = 30 * time.Second
	soonTries = 40
	tryLater  = 2 * time.Minute
	mostTries = 250
)

// Run watches until the context ends.
func (w *Watch) Run(ctx context.Context) {
	for {
		w.Step(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.every()):
		}
	}
}

func (w *Watch) every() time.Duration {
	if w.Every > 0 {
		return w.Every
	}
	return every
}

// Step looks once at all UPSes, and does what follows.
func (w *Watch) Step(ctx context.Context) {
	if w.tracks == nil {
		w.tracks, w.told, w.settled, w.tried, w.toRaise = map[string]Track{}, map[string]string{}, map[string]time.Time{}, map[string]int{}, true
		w.began = w.now()
	}
	w.look(ctx)
	if ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, runsTimeout)
	defer cancel()
	if due, ok := FindDue(w.Lab, w.tracks); ok {
		w.toRaise = true
		if err := w.lower(ctx, due); err != nil {
			w.sayError(due.UPS, "run", "the power-down could not be started or seen to, and is tried again", err)
		}
		return
	} else if len(due.UPS) > 0 {
		w.say(due.UPS, "run", true, due.Why+": all hosts that it feeds have another UPS, which is on mains")
	}
	if w.toRaise {
		if err := w.raise(ctx); err != nil {
			w.sayError(w.names(), "power-up", "whether to power up again could not be found out, and is tried again", err)
		}
	}
}

// look reads all of them side by side.
func (w *Watch) look(ctx context.Context) {
	type answer struct {
		ups  *inventory.UPS
		look Look
	}
	answers := make(chan answer, len(w.Lab.UPS))
	for i := range w.Lab.UPS {
		u := &w.Lab.UPS[i]
		go func() {
			ctx, cancel := context.WithTimeout(ctx, lookTimeout)
			defer cancel()
			s, err := w.ask(ctx, u)
			answers <- answer{u, Look{At: w.now(), Status: s, Err: err}}
		}()
	}
	for range w.Lab.UPS {
		a := <-answers
		if ctx.Err() != nil { // it was cut off: that says nothing about the UPS
			continue
		}
		t := w.tracks[a.ups.Name].Next(a.ups, a.look)
		w.tracks[a.ups.Name] = t
		w.tellState(a.ups, t)
	}
}

func (w *Watch) names() (names []string) {
	for _, u := range w.Lab.UPS {
		names = append(names, u.Name)
	}
	return names
}

func (w *Watch) now() time.Time {
	if w.Now != nil {
		return w.Now()
	}
	return time.Now()
}

func (w *Watch) ask(ctx context.Context, u *inventory.UPS) (nut.Status, error) {
	if w.Look != nil {
		return w.Look(ctx, u)
	}
	r, err := endpoint.UPSServer("NUT server "+u.Address(), *u, w.Lab.Dir)
	if err != nil {
		return nut.Status{}, err
	}
	vars, err := nut.Ask(ctx, r, u.Name)
	return vars.Status(), err
}

// tellState says when a UPS changes its state. Lost is one that does not come back at once.
func (w *Watch) tellState(u *inventory.UPS, t Track) {
	if t.State == Unknown && !t.Lost() {
		return
	}
	text := t.Last.words()
	if t.State == Unknown && t.Known.battery() {
		text += "; it was on battery when it last told"
		if u.WhenLost == inventory.LostAlarm {
			text += ", and nothing is done about it (whenLost: alarm)"
		}
	}
	key := "state of " + u.Name
	if w.told[key] == string(t.State) || w.told[key] == "" && t.State == Online {
		w.told[key] = string(t.State)
		return
	}
	w.told[key] = string(t.State)
	w.tell(Event{At: t.Last.At, UPS: u.Name, Text: text, Alarm: t.State != Online})
}

// say tells something about a subject, once until it is another.
func (w *Watch) say(upses []string, subject string, alarm bool, text string) {
	name := strings.Join(upses, ", ")
	if key := name + "/" + subject; w.told[key] != text {
		w.told[key] = text
		w.tell(Event{At: w.now(), UPS: name, Text: text, Alarm: alarm})
	}
}

// sayError is say for what failed. Only the first error is told: each may name another port, or another time.
func (w *Watch) sayError(upses []string, subject, text string, err error) {
	name := strings.Join(upses, ", ")
	if key := name + "/" + subject; w.told[key] != text {
		w.told[key] = text
		w.tell(Event{At: w.now(), UPS: name, Text: text + ": " + err.Error(), Alarm: true})
	}
}

func (w *Watch) tell(e Event) {
	log := w.Logger.Info
	if e.Alarm {
		log = w.Logger.Warn
	}
	log("UPS "+e.UPS+": "+e.Text, "lab", w.Lab.Lab, "ups", e.UPS)
	if w.Tell != nil {
		w.Tell(e)
	}
}
