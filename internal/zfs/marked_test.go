package zfs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

func TestMarkedSnapshotsAreFound(t *testing.T) {
	var ran string
	said := "tank/mail@a\t11\t5\t1\trun-1\ntank/mail@b\t12\t6\t0\trun-2\ntank/log@a\t13\t5\t0\trun-1\ntank/log@other\t14\t9\t0\t-\n"
	c := New("ss1", scripted(func(argv []string) (string, string, Exit) {
		ran = strings.Join(argv, " ")
		return said, "", Exit{}
	}))
	got, err := c.Marked(t.Context(), "nightshift:run", "run-1", "tank/mail", "tank/log")
	require.NoError(t, err)
	require.Equal(t, "zfs list -Hp -t snapshot -d 1 -o name,guid,createtxg,userrefs,nightshift:run tank/mail tank/log", ran)
	require.Equal(t, []Marked{{"tank/mail", live.ZSnapshot{Name: "a", GUID: 11, CreateTXG: 5, Holds: 1}}, {"tank/log", live.ZSnapshot{Name: "a", GUID: 13, CreateTXG: 5}}}, got)

	said = "tank/mail\t11\t5\t1\trun-1\n"
	_, err = c.Marked(t.Context(), "nightshift:run", "run-1", "tank/mail")
	require.ErrorIs(t, err, fault.Unsupported)
	for _, wrong := range []func() error{
		func() error { _, err := c.Marked(t.Context(), "nightshift:run", "", "tank/mail"); return err },
		func() error { _, err := c.Marked(t.Context(), "org:run", "x", "tank/mail"); return err },
		func() error { _, err := c.Marked(t.Context(), "nightshift:run", "x"); return err },
		func() error { _, err := c.Marked(t.Context(), "nightshift:run", "x", "-r"); return err },
	} {
		require.ErrorIs(t, wrong(), fault.Invalid)
	}
}
