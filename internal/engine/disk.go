package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// level is how full the disk is.
type level int

const (
	roomy level = iota
	almostFull
	full
)

// diskWatch says when the disk runs full, once for each level, and when there is space again.
type diskWatch struct {
	path   string
	free   func(string) (uint64, error)
	log    *slog.Logger
	notify func(error) // nil: only log

	mu    sync.Mutex
	level level
}

// run looks every interval until the context ends.
func (w *diskWatch) run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	w.look()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.look()
		}
	}
}

func (w *diskWatch) look() {
	n, err := w.free(w.path)
	switch {
	case err != nil:
		w.log.Error("free space is not known", "path", w.path, "error", err)
	case n < diskWarn:
		w.set(almostFull, fmt.Errorf("disk almost full: %d MiB free on the file system of %s: free some space there before runs stand still", n>>20, w.path))
	default:
		w.set(roomy, nil)
	}
}

// full is called when the database could not write. The free space may look fine all the same: a quota, say.
func (w *diskWatch) full() {
	w.set(full, fmt.Errorf("disk full: database in %s cannot write, runs stand still: free some space there; they go on by themselves", w.path))
}

func (w *diskWatch) set(to level, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if to == w.level || to == almostFull && w.level == full {
		return
	}
	w.level = to
	if err != nil {
		w.log.Error(err.Error(), "path", w.path)
	} else {
		w.log.Warn("the disk has space again", "path", w.path)
	}
	if w.notify != nil {
		w.notify(err)
	}
}
