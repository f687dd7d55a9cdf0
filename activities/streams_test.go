package activities

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/zfs"
)

func free() error { return nil }

// carried carries a stream until it is judged, and answers why.
func carried(t *testing.T, c *carriage) (err error) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err = c.carry(free)
		return err != nil
	}, time.Minute, time.Millisecond)
	return err
}

func quick() *streams {
	return &streams{unattended: time.Minute, stall: time.Minute, pause: time.Microsecond}
}

func TestAStreamInWhichNothingMovesIsBegunAnew(t *testing.T) {
	s := quick()
	s.stall = 20 * time.Millisecond
	begun := 0
	c := s.of("ss2:backup/mail", "a", func(ctx context.Context, c *carriage) error {
		begun++
		c.moved(1, 10)
		<-ctx.Done()
		return ctx.Err()
	})
	err := carried(t, c)
	require.ErrorIs(t, err, fault.State, "not for ever")
	require.ErrorContains(t, err, "nothing moved for")
	require.Equal(t, mostBreaks, begun)
	require.Contains(t, c.remarks(), "was broken off: nothing moved")
}

// A host may be away for days: what is not sent does not break off.
func TestAStreamWaitsForAHostThatIsAway(t *testing.T) {
	n := 0
	c := quick().of("ss2:backup/mail", "a", func(_ context.Context, c *carriage) error {
		switch n++; {
		case n == 1:
			return cmp.Or(c.arrived(7<<20), refuse(fault.Unreachable, "the line broke"))
		case n > 5*mostBreaks:
			return refuse(fault.Permission, "enough")
		}
		return refuse(fault.Unreachable, "ss1 does not answer")
	})
	require.Nil(t, c.waiting())
	var told string
	var err error
	require.Eventually(t, func() bool {
		if p := c.waiting(); p != nil {
			told = p.String()
		}
		_, err = c.carry(free)
		return err != nil
	}, time.Minute, time.Millisecond)
	require.ErrorIs(t, err, fault.Permission)
	require.Equal(t, "7 MiB, waits for a host: ss1 does not answer", told)
	require.Zero(t, c.breaks)
	require.Contains(t, c.remarks(), "waited for a host: ss1 does not answer")
}

// While a host that is away is tried again, what is told does not begin at nothing.
func TestATryTellsWhatItWaitsFor(t *testing.T) {
	enough := make(chan struct{})
	n := 0
	c := quick().of("ss2:backup/mail", "a", func(_ context.Context, c *carriage) error {
		switch n++; n {
		case 1:
			return cmp.Or(c.arrived(7<<20), refuse(fault.Unreachable, "the line broke"))
		case 2:
			return refuse(fault.Unreachable, "ss1 does not answer")
		}
		<-enough
		return refuse(fault.Permission, "enough")
	})
	require.Eventually(t, func() bool {
		_, err := c.carry(free)
		require.NoError(t, err)
		p, running := c.progress()
		return running && p.String() == "7 MiB, waits for a host: ss1 does not answer"
	}, 10*time.Second, time.Millisecond)
	close(enough)
	<-c.ended
}

// That all ended well, and the target does not have it, is no host that is away.
func TestAStreamThatIsNowhereIsGivenUp(t *testing.T) {
	begun := 0
	c := quick().of("ss2:backup/mail", "a", func(context.Context, *carriage) error { begun++; return nil })
	require.ErrorContains(t, carried(t, c), "the target does not have it")
	require.Equal(t, mostBreaks, begun)
}

func TestAStreamThatGetsOnMayBreakAsOftenAsItLikes(t *testing.T) {
	s := quick()
	n := int64(0)
	c := s.of("ss2:backup/mail", "a", func(_ context.Context, c *carriage) error {
		if n++; n > 5*mostBreaks {
			return refuse(fault.Permission, "enough")
		}
		return cmp.Or(c.arrived(n), refuse(fault.Unreachable, "the line broke"))
	})
	require.ErrorIs(t, carried(t, c), fault.Permission)
}

// How far a try got is known when the next one looks, and that may take some more tries.
func TestAStreamThatGetsOnBetweenBreaksIsNotGivenUp(t *testing.T) {
	n := int64(0)
	c := quick().of("ss2:backup/mail", "a", func(_ context.Context, c *carriage) error {
		switch n++; {
		case n > 5*mostBreaks:
			return refuse(fault.Permission, "enough")
		case n == mostBreaks:
			return cmp.Or(c.anew(), refuse(fault.Unreachable, "the line broke"))
		case n%mostBreaks == 0:
			return cmp.Or(c.arrived(n), refuse(fault.Unreachable, "the line broke"))
		}
		return refuse(fault.Unreachable, "nobody answers")
	})
	require.ErrorIs(t, carried(t, c), fault.Permission)
}

// One that gets on no more is given up all the same, however breaks and looks follow each other.
func TestAStreamThatGetsOnNoMoreIsGivenUp(t *testing.T) {
	for name, every := range map[string]int{"each try sends": 1, "every third": 3, "every eleventh": 11} {
		begun, sent := 0, 0
		c := quick().of("ss2:backup/mail", "a", func(_ context.Context, c *carriage) error {
			if begun++; begun%every == 0 {
				if err := c.arrived(10); err != nil {
					return err
				}
				sent++
				return refuse(fault.Unreachable, "the line broke")
			}
			return refuse(fault.Unreachable, "nobody answers")
		})
		err := carried(t, c)
		require.ErrorIs(t, err, fault.State, name)
		require.ErrorContains(t, err, "without getting on, at last: the line broke", name)
		require.LessOrEqual(t, sent, mostBreaks+1, name)
	}
}

func TestAStreamAfterALongerOneMayBreakAsOftenAsItLikes(t *testing.T) {
	n := int64(0)
	c := quick().of("ss2:backup/mail", "a", func(_ context.Context, c *carriage) error {
		switch n++; {
		case n == 1:
			return cmp.Or(c.arrived(1<<40), c.anew(), refuse(fault.Unreachable, "the line broke"))
		case n > 5*mostBreaks:
			return refuse(fault.Permission, "enough")
		}
		return cmp.Or(c.arrived(n), refuse(fault.Unreachable, "the line broke"))
	})
	require.ErrorIs(t, carried(t, c), fault.Permission)
}

func TestAStreamOfWhichNothingArrivesIsGivenUp(t *testing.T) {
	sent := 0
	c := quick().of("ss2:backup/mail", "a", func(_ context.Context, c *carriage) error {
		if err := c.anew(); err != nil {
			return err
		}
		sent++
		return refuse(fault.Unreachable, "the line broke")
	})
	require.ErrorIs(t, carried(t, c), fault.State)
	require.Equal(t, mostBreaks, sent)
}

func TestABusyReplicaIsTriedAgain(t *testing.T) {
	begun := 0
	c := quick().of("ss2:backup/mail", "a", func(context.Context, *carriage) error {
		if begun++; begun > 1 {
			return refuse(fault.Permission, "enough")
		}
		return fault.As(zfs.ErrBusy, refuse(fault.State, "a receiver is still there"))
	})
	require.ErrorIs(t, carried(t, c), fault.Permission)
	require.Contains(t, c.remarks(), "was broken off: a receiver is still there")
}

func TestWhatAnotherAttemptHasIsNotBegunAgain(t *testing.T) {
	s := quick()
	begun := 0
	c := s.of("ss2:backup/mail", "a", func(context.Context, *carriage) error { begun++; return nil })
	gone := errors.New("another attempt has it")
	_, err := c.carry(func() error { return gone })
	require.ErrorIs(t, err, gone)
	require.Zero(t, begun)
	require.Same(t, c, s.of("ss2:backup/mail", "a", nil), "the same step goes on with it")
}

// While an intent cannot be written down no try is begun, and so none breaks off.
func TestABreakCountsOnce(t *testing.T) {
	c := quick().of("ss2:backup/mail", "a", func(context.Context, *carriage) error {
		return fault.As(zfs.ErrBusy, refuse(fault.State, "a receiver is still there"))
	})
	_, err := c.carry(free)
	require.NoError(t, err)
	<-c.ended
	lost := errors.New("the server does not answer")
	for range 2 * mostBreaks {
		require.Eventually(t, func() bool {
			_, err := c.carry(func() error { return lost })
			if err != nil {
				require.ErrorIs(t, err, lost)
			}
			return err != nil
		}, time.Minute, time.Millisecond)
	}
	require.Equal(t, 1, c.breaks)
}

func TestTwoStreamsNeverGoIntoOneReplica(t *testing.T) {
	s := quick()
	over := make(chan struct{})
	first := s.of("ss2:backup/mail", "a", func(ctx context.Context, _ *carriage) error {
		<-ctx.Done()
		close(over)
		return ctx.Err()
	})
	_, err := first.carry(free)
	require.NoError(t, err)
	second := s.of("ss2:backup/mail", "b", func(context.Context, *carriage) error {
		select {
		case <-over:
			return refuse(fault.Permission, "after it")
		default:
			return refuse(fault.Permission, "beside it")
		}
	})
	require.ErrorContains(t, carried(t, second), "after it")
}

func TestNoneBeginsInAProcessThatEnds(t *testing.T) {
	s := quick()
	c := s.of("ss2:backup/mail", "a", func(ctx context.Context, _ *carriage) error {
		<-ctx.Done()
		return ctx.Err()
	})
	_, err := c.carry(free)
	require.NoError(t, err)
	s.close()
	_, err = c.carry(free)
	require.ErrorIs(t, err, errLeave)
	c.begin()
	_, running := c.progress()
	require.False(t, running)
}

// A step looks again when a stream ends, and when the pause after one is over, not at its next look only.
func TestTheEndOfAStreamIsNews(t *testing.T) {
	s := quick()
	s.pause = 50 * time.Millisecond
	broken := make(chan struct{})
	begun := 0
	c := s.of("ss2:backup/mail", "a", func(context.Context, *carriage) error {
		if begun++; begun > 1 {
			return nil
		}
		<-broken
		return refuse(fault.Unreachable, "the line broke")
	})
	next := func() <-chan struct{} {
		news, err := c.carry(free)
		require.NoError(t, err)
		require.NotNil(t, news)
		return news
	}
	started := next()
	require.Equal(t, started, next(), "it is under way")
	select {
	case <-started:
		require.Fail(t, "nothing has ended")
	default:
	}
	close(broken)
	<-started
	<-next()
	require.Equal(t, 1, begun, "the pause was over")
	<-next()
	require.Equal(t, 2, begun)
}

// A stream that ends when a step has just seen it under way did not end in vain: nobody has asked the target yet.
func TestTheTargetIsAskedBeforeAStreamIsJudged(t *testing.T) {
	end := make(chan struct{})
	c := quick().of("ss2:backup/mail", "a", func(context.Context, *carriage) error { <-end; return nil })
	_, err := c.carry(free)
	require.NoError(t, err)
	_, running := c.progress()
	require.True(t, running)
	close(end)
	<-c.ended
	news, err := c.carry(free)
	require.NoError(t, err)
	<-news
	require.Empty(t, c.remarks())
	_, running = c.progress()
	require.False(t, running)
	_, err = c.carry(free)
	require.NoError(t, err)
	require.Contains(t, c.remarks(), "the target does not have it")
}

func TestProgressTellsSpeedAndTimeLeft(t *testing.T) {
	now := time.Now()
	c := &carriage{total: 1000 << 20, samples: []sample{{now.Add(-10 * time.Second), 100 << 20}, {now, 200 << 20}}}
	p, running := c.progress()
	require.False(t, running)
	require.Equal(t, plan.Progress{Bytes: 200 << 20, Total: 1000 << 20, Rate: 10 << 20, Left: plan.Duration(80 * time.Second)}, p)
	require.Equal(t, "200 MiB of 1000 MiB, 10 MiB/s, about 80 s left", p.String())
	c.moved(5, 50)
	p, _ = c.progress()
	require.Equal(t, plan.Progress{Bytes: 5, Total: 50}, p, "another stream begins")
	c.total = 1 << 50
	c.samples = []sample{{now.Add(-time.Second), 1}, {now, 2}}
	p, _ = c.progress()
	require.Zero(t, p.Left, "nobody waits so long")
}
