package main

import (
	"fmt"
	"io"
	"os"
)

// mostInput is how large a plan or a report may be that is read from a file: several times the largest that nightshift writes.
const mostInput = 64 << 20

// mostSigned is how large a text or a signature may be that is read from a file. What counts is shorter still.
const mostSigned = 64 << 10

// readInput reads a file from outside, of at most so many bytes.
func readInput(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = usage("%s is larger than %s: it is none of nightshift's", path, size(most))
	}
	return b, err
}

func size(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
