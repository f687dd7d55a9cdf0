package replica

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMarks(t *testing.T) {
	m := Mark{By: "dr box:/var/lib/night shift by=x", Run: "replicate mail 1", Since: time.Date(2026, 11, 21, 9, 0, 0, 0, time.FixedZone("", 3600))}
	require.Equal(t, "since=2026-11-21T08:00:00Z run=replicate_mail_1 by=dr box:/var/lib/night shift by=x", m.Value())
	got := ParseMark(m.Value())
	require.Equal(t, m.By, got.By)
	require.True(t, got.Of(m.By, m.Run))
	require.False(t, got.Of("another", m.Run))
	require.False(t, got.Of(m.By, "another"))
	require.Equal(t, "dr box:/var/lib/night shift by=x, with run replicate_mail_1, since 2026-11-21 08:00:00 UTC", got.String())
	for _, value := range []string{"bob", "since=yesterday run=1 by=bob", "since=2026-11-21T08:00:00Z run=1 by="} {
		require.Equal(t, Mark{By: value}, ParseMark(value), "somebody's all the same")
		require.Equal(t, value, ParseMark(value).String())
	}
	require.Equal(t, "zfs inherit nightshift:mark.mail backup/ss1", Unmark("mail", "backup/ss1"))
}
