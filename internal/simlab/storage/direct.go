package storage

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// direct is zfs.DirectScript: limit, port, user, address, key file, what the other end is to run, and the sender.
func (c *call) direct(ctx context.Context, args []string) Exit {
	if len(args) < 7 {
		return Exit{Status: 2}
	}
	limit, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return Exit{Status: 2}
	}
	if limit > 0 && c.cfg.NoPacer {
		fmt.Fprintln(c.out, "nightshift-status pace none")
		return Exit{}
	}
	fromSender, toPace := Pipe()
	toShip, statuses := fromSender, ""
	type ended struct {
		who string
		Exit
	}
	all := make(chan ended, 3)
	// The parts go on when the script is killed, as they do on a host: they end when their streams do.
	go func() {
		e := c.Run(ctx, c.p.user, args[6:], Streams{Out: toPace, Err: c.err})
		_ = toPace.Close()
		all <- ended{"send", e}
	}()
	parts := 2
	if limit > 0 {
		parts = 3
		r, w := Pipe()
		toShip = r
		go func() {
			e := c.Run(ctx, c.p.user, []string{"mbuffer", "-q", "-m", "2M", "-R", args[0]}, Streams{In: fromSender, Out: w})
			_ = fromSender.Close()
			_ = w.Close()
			all <- ended{"pace", e}
		}()
	}
	go func() {
		e := c.Run(ctx, c.p.user, []string{"ssh", "-p", args[1], "-l", args[2], "--", args[3], args[5]}, Streams{In: toShip, Out: c.out, Err: c.out})
		_ = toShip.Close()
		all <- ended{"receive", e}
	}()
	got := map[string]Exit{}
	for range parts {
		e := <-all
		got[e.who] = e.Exit
	}
	for _, who := range []string{"send", "pace", "receive"} {
		if e, ran := got[who]; ran {
			statuses += fmt.Sprintf(" %s %d", who, e.Shell())
		}
	}
	fmt.Fprintf(c.out, "\nnightshift-status%s\n", statuses)
	return Exit{}
}

// mbuffer lets through so many bytes a second, and holds back no more than 2 MiB.
func (c *call) mbuffer(limit int64) Exit {
	perByte := float64(c.scaled(time.Second)) * float64(c.cfg.Scale) / float64(limit)
	next := time.Now()
	buf := make([]byte, 16<<10)
	for {
		n, err := c.in.Read(buf)
		if _, failed := c.out.Write(buf[:n]); failed != nil {
			return Exit{Status: 1}
		}
		if err != nil {
			return Exit{}
		}
		if now := time.Now(); next.Before(now.Add(-100 * time.Millisecond)) {
			next = now.Add(-100 * time.Millisecond)
		}
		next = next.Add(time.Duration(float64(n) * perByte))
		if d := time.Until(next); d > 0 {
			c.sleep(time.Duration(float64(d)*c.cfg.Speed), c.p.gone)
		}
	}
}
