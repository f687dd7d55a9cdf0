package nut

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzWords: what was decoded can be encoded, and decodes to the same.
func FuzzWords(f *testing.F) {
	for _, s := range []string{`VAR rack ups.mfr "Sim \"x\""`, `ERR DATA-STALE`, `BEGIN LIST VAR rack`, `"" a\ b "c\\"`, "x\t\"y", `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := decode(line)
		if err != nil || len(words) == 0 || len(line) > 1000 {
			return
		}
		for _, w := range words {
			if strings.ContainsAny(w, "\n\r\x00") || strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return // after a backslash anything is taken; it is never sent
			}
		}
		again, err := encode(words)
		require.NoError(t, err)
		got, err := decode(again)
		require.NoError(t, err)
		require.Equal(t, words, got)
	})
}

// FuzzAnswers: no answer makes the client panic or go on for ever.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("BEGIN LIST VAR rack\nVAR rack ups.status \"OB LB\"\nVAR rack battery.charge \"38\"\nEND LIST VAR rack\n"))
	f.Add([]byte("ERR DRIVER-NOT-CONNECTED\n"))
	f.Add([]byte("BEGIN LIST VAR rack\nVAR rack battery.runtime \"1e999\"\nEND LIST VAR rack\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		here, there := net.Pipe()
		go func() {
			_, _ = bufio.NewReader(there).ReadString('\n')
			_, _ = there.Write(answer)
			_ = there.Close()
		}()
		vars, err := newClient(t.Context(), "the NUT server", here).Vars("rack")
		_ = here.Close()
		if err == nil {
			_ = vars.Status().String()
			_, _ = vars.Seconds("ups.timer.shutdown")
		}
	})
}
