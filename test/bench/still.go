package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A still is for how long the machine kept a program waiting at most: of runs that went wrong it tells whose fault that may be.
type still struct {
	processors time.Duration // nothing ran
	disk       time.Duration // a write was not on it
}

func (s still) String() string {
	return fmt.Sprintf("meanwhile no processor came for %s, and a write to the disk took up to %s", seconds(s.processors), seconds(s.disk))
}

// watchMachine looks at what the machine does, with a file in dir, until it is asked.
func watchMachine(ctx context.Context, dir string) (ended func() (still, error)) {
	const often = 20 * time.Millisecond
	ctx, stop := context.WithCancel(ctx)
	var s still
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() {
		last := time.Now()
		for tick := time.NewTicker(often); ctx.Err() == nil; last = time.Now() {
			<-tick.C
			s.processors = max(s.processors, time.Since(last)-often)
		}
	})
	wg.Go(func() { s.disk, failed = slowestWrite(ctx, filepath.Join(dir, "still")) })
	return func() (still, error) {
		stop()
		wg.Wait()
		return s, failed
	}
}

// slowestWrite writes a page to a file each quarter of a second, and waits for the disk as a commit does.
func slowestWrite(ctx context.Context, file string) (slowest time.Duration, _ error) {
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	page := make([]byte, os.Getpagesize())
	for tick := time.NewTicker(250 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			return slowest, nil
		case <-tick.C:
		}
		began := time.Now()
		if _, err := f.WriteAt(page, 0); err != nil {
			return slowest, err
		}
		if err := f.Sync(); err != nil {
			return slowest, err
		}
		slowest = max(slowest, time.Since(began))
	}
}
