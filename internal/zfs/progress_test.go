package zfs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

const resumed = "resume token contents:\nnvlist version: 0\n\tobject = 0x1\n\toffset = 0x1a20000\n\tbytes = 0x1a2bd40\n\ttoguid = 0xdcf6b5d3b8e1a3c1\n\ttoname = tank/sp@1\n\tcompressok = 1\n" +
	"full\ttank/sp@1\t39829504\nsize\t39829504\n"

func TestProgressIsReadInWhateverPiecesItComes(t *testing.T) {
	text := resumed + "09:05:59\t4096\ttank/sp@1\n09:06:00\t8192\ttank/sp@1\nWARNING: x = y\ncannot send: Broken pipe\n09:06:01\tx\ttank/sp@1\nan end"
	for _, size := range []int{1, 7, len(text)} {
		var seen []Progress
		r := &reporter{report: func(p Progress) { seen = append(seen, p) }}
		for at := 0; at < len(text); at += size {
			n, err := r.Write([]byte(text[at:min(at+size, len(text))]))
			require.NoError(t, err)
			require.Equal(t, min(size, len(text)-at), n)
		}
		require.Equal(t, "WARNING: x = y\ncannot send: Broken pipe\n09:06:01\tx\ttank/sp@1\nan end\n", r.said())
		require.Equal(t, []Progress{{0, 39829504}, {4096, 39829504}, {8192, 39829504}}, seen[:3])
		require.Equal(t, int64(39829504), r.progress().Total)
	}
}

func TestALineWithoutEndIsBounded(t *testing.T) {
	r := &reporter{}
	for range 1000 {
		_, err := r.Write([]byte(strings.Repeat("x", 1000)))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, cap(r.line), 4*maxLine)
	require.LessOrEqual(t, len(r.said()), maxWords)
	_, err := r.Write([]byte("09:05:59\t4096\ttank/" + strings.Repeat("x", 2*maxLine) + "\n"))
	require.NoError(t, err)
	require.Zero(t, r.progress().Sent, "no line of a sender is so long")
}

func TestATokenIsJudgedByTheSender(t *testing.T) {
	answer := func(out, errs string, status int) *Client {
		return New("ss1", scripted(func(argv []string) (string, string, Exit) {
			require.Equal(t, "zfs send -nvP -t 1-e604", strings.Join(argv, " "))
			return out, errs, Exit{Status: status}
		}))
	}
	for _, c := range []*Client{answer(resumed, "", 0), answer("", resumed, 0)} {
		e, err := c.Estimate(t.Context(), Send{Token: "1-e604"})
		require.NoError(t, err)
		require.Equal(t, Estimate{Bytes: 39829504, Snapshot: "tank/sp@1", ToGUID: 0xdcf6b5d3b8e1a3c1, AlreadyArrived: 0x1a2bd40}, e)
	}
	contents, _, _ := strings.Cut(resumed, "full\t")
	const no = "cannot resume send: 'tank/sp@1' used in the initial send no longer exists\n"
	for _, c := range []*Client{answer(contents, no, 255), answer("", contents+no, 255)} {
		e, err := c.Estimate(t.Context(), Send{Token: "1-e604"})
		require.ErrorIs(t, err, ErrToken)
		require.ErrorIs(t, err, ErrNoSource)
		require.NotContains(t, err.Error(), "toguid")
		require.Equal(t, Estimate{Snapshot: "tank/sp@1", ToGUID: 0xdcf6b5d3b8e1a3c1, AlreadyArrived: 0x1a2bd40}, e, "whose it was is told all the same")
	}
	e, err := answer("", "cannot resume send: resume token is corrupt (incorrect checksum)\n", 255).Estimate(t.Context(), Send{Token: "1-e604"})
	require.ErrorIs(t, err, ErrToken)
	require.Zero(t, e)
	_, err = answer("would send 12K\n", "", 0).Estimate(t.Context(), Send{Token: "1-e604"})
	require.ErrorIs(t, err, fault.Unsupported)
	_, err = answer("size\t12K\n", "", 0).Estimate(t.Context(), Send{Token: "1-e604"})
	require.ErrorIs(t, err, fault.Unsupported)
}

func FuzzReporter(f *testing.F) {
	f.Add(resumed, 3)
	f.Add("09:05:59\t4096\ttank/sp@1\n", 1)
	f.Add("\n\t\n = \n", 2)
	f.Fuzz(func(t *testing.T, text string, size int) {
		size = max(1, size)
		r := &reporter{report: func(p Progress) {
			if p.Sent < 0 || p.Total < 0 {
				t.Fatal("less than nothing")
			}
		}}
		for at := 0; at < len(text); at += size {
			_, err := r.Write([]byte(text[at:min(at+size, len(text))]))
			require.NoError(t, err)
		}
		require.LessOrEqual(t, len(r.said()), maxWords)
		if e, err := parseEstimate([]byte(text)); err == nil {
			require.GreaterOrEqual(t, e.Bytes, int64(0))
		} else {
			require.ErrorIs(t, err, fault.Unsupported)
		}
	})
}

func FuzzLines(f *testing.F) {
	f.Add("tank\t17000000000000000000\tONLINE\t1996488704\t100\t1996488604\toff\n", "nightshift-status send 0 receive 1")
	f.Add("", fmt.Sprintf("nightshift-status send %d receive 0", 1<<40))
	f.Fuzz(func(t *testing.T, out, status string) {
		if _, err := parsePools([]byte(out)); err != nil {
			require.ErrorIs(t, err, fault.Unsupported)
		}
		tl := &tail{}
		_, err := tl.Write([]byte(status))
		require.NoError(t, err)
		if ends, _, err := tl.statuses(); err == nil {
			require.NotEmpty(t, ends)
		}
		_ = accusedOf(&ToolError{Words: clean(out)}, []string{"tank/a@x"})
		require.NotContains(t, clean(out), "\n")
	})
}
