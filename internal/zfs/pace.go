package zfs

import (
	"context"
	"errors"
	"io"
	"time"

	"nightshift/internal/fault"
)

var errNegative = fault.As(fault.NotDone, fault.As(fault.Invalid, errors.New("a limit below zero is none")))

// pacePart is how much is written at once, in bytes: with it the rate is smooth even where it is low.
const pacePart = 16 << 10

// pace lets through at most limit bytes per second; 0: as many as come.
func pace(ctx context.Context, w io.Writer, limit int64) io.Writer {
	if limit == 0 {
		return w
	}
	return &paced{ctx: ctx, w: w, perByte: float64(time.Second) / float64(limit)}
}

type paced struct {
	ctx     context.Context
	w       io.Writer
	perByte float64   // nanoseconds
	next    time.Time // when the next byte may go
}

// maxDebt is how much time that was not used may be made up for.
const maxDebt = 250 * time.Millisecond

func (p *paced) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		if err := p.wait(); err != nil {
			return done, err
		}
		part := b[done:min(done+pacePart, len(b))]
		n, err := p.w.Write(part)
		done += n
		p.next = p.next.Add(time.Duration(float64(n) * p.perByte))
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (p *paced) wait() error {
	now := time.Now()
	if earliest := now.Add(-maxDebt); p.next.Before(earliest) {
		p.next = earliest
	}
	if !p.next.After(now) {
		return p.ctx.Err()
	}
	timer := time.NewTimer(p.next.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}
