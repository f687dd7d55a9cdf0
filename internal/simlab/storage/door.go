package storage

import (
	"io"
	"net"
	"sync"
)

// A Fate is what happens to a command at the door of the host.
type Fate string

// Fates.
const (
	Arrives     Fate = ""
	IsLost      Fate = "is lost"      // the connection is closed, and nothing was done
	LosesAnswer Fate = "loses answer" // the connection is closed, and the command runs
	Breaks      Fate = "breaks"       // the connection is closed after some bytes of its streams
	Hangs       Fate = "hangs"        // nothing is done, and there is no answer
	IsRefused   Fate = "is refused"   // with Status, and nothing is done
)

// A Door is what watches who comes in: the simulated lab, to record calls and to let them go wrong.
type Door interface {
	// Login tells of a login, or of one that was refused.
	Login(ok bool)
	// Connect is asked of each connection; false: it is closed.
	Connect() bool
	// Arrive is asked of each command.
	Arrive(verb string, changes bool) Arrival
}

// An Arrival is what becomes of a command.
type Arrival struct {
	Fate   Fate
	Status int                            // of IsRefused
	Bytes  int64                          // of Breaks
	Done   func(result string, lost bool) // is told how it ended, and whether nobody heard
}

type openDoor struct{}

func (openDoor) Login(bool)    {}
func (openDoor) Connect() bool { return true }
func (openDoor) Arrive(string, bool) Arrival {
	return Arrival{Done: func(string, bool) {}}
}

// A breaker closes a connection after so many bytes.
type breaker struct {
	conn net.Conn
	mu   sync.Mutex
	left int64
}

func (b *breaker) passes(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left -= int64(n); b.left < 0 {
		_ = b.conn.Close() // that is what is wanted
		return net.ErrClosed
	}
	return nil
}

type breaking struct {
	io.ReadWriter
	b *breaker
}

// Read reads what comes before it breaks.
func (s breaking) Read(p []byte) (int, error) {
	n, err := s.ReadWriter.Read(p)
	if failed := s.b.passes(n); failed != nil {
		return 0, failed
	}
	return n, err
}

func (s breaking) Write(p []byte) (int, error) {
	if err := s.b.passes(len(p)); err != nil {
		return 0, err
	}
	return s.ReadWriter.Write(p)
}
