package worker

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// The SDK tells it from goroutines of its own, for each of the lab's queues: nobody may wait for it to be heard.
func TestADeadWorkerIsTold(t *testing.T) {
	w := &Worker{dead: make(chan error, 1)}
	first := errors.New("namespace default is not found")
	for _, err := range []error{first, errors.New("what comes of it")} {
		w.options(Config{}).OnFatalError(err)
	}
	require.Equal(t, first, <-w.Dead())
}
