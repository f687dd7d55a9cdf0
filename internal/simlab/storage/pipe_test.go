package storage

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAWriterIsAheadOfItsReader(t *testing.T) {
	r, w := Pipe()
	n, err := w.Write(make([]byte, pipeHolds))
	require.NoError(t, err)
	require.Equal(t, pipeHolds, n)
	blocked := make(chan error, 1)
	go func() { _, err := w.Write([]byte{1}); blocked <- err }()
	_, err = io.ReadFull(r, make([]byte, pipeHolds+1))
	require.NoError(t, err)
	require.NoError(t, <-blocked)
	require.NoError(t, w.Close())
	_, err = r.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)

	r, w = Pipe()
	go func() { _, err := w.Write(make([]byte, 2*pipeHolds)); blocked <- err }()
	require.NoError(t, r.Close())
	require.ErrorIs(t, <-blocked, io.ErrClosedPipe, "nobody reads")
}
