package engine

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"nightshift/internal/statedir"
)

// diskWatch says when the disk runs full, once, and when there is space again.
type diskWatch struct {
	path   string
	free   func(string) (uint64, error)
	log    *slog.Logger
	notify func(error) // nil: only log

	mu  sync.Mutex
	low bool
}

// run looks every interval until the context ends.
func (w *diskWatch) run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
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
		w.set(&statedir.FullError{Path: w.path, Free: n, Need: diskWarn})
	default:
		w.set(nil)
	}
}

// full is called when the database could not write. The free space may look fine all the same: a quota, say.
func (w *diskWatch) full() {
	w.set(fmt.Errorf("disk full: database in %s cannot write, runs stand still: free some space there; they go on by themselves", filepath.Clean(w.path)))
}

func (w *diskWatch) set(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if low := err != nil; low == w.low {
		return
	}
	w.low = err != nil
	if err != nil {
		w.log.Error(err.Error(), "path", w.path)
	} else {
		w.log.Warn("the disk has space again", "path", w.path)
	}
	if w.notify != nil {
		w.notify(err)
	}
}
