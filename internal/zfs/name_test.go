package zfs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

func TestNamesThatCouldBeTakenForSomethingElseAreRefused(t *testing.T) {
	for _, name := range []string{"", "/", "/tank", "tank/", "tank//a", "tank/./a", "tank/../a", "-r", "-r/a", "1tank", "tank@a", "tank#a", "tank/a,b",
		"tank/%recv", "tank/$(reboot)", "tank/a;b", "tank/a\nb", "tank/ä", "tank/a'b", strings.Repeat("a", 256)} {
		require.ErrorIs(t, checkDataset(name), fault.Invalid, "%q", name)
		require.ErrorIs(t, checkDataset(name), fault.NotDone, "%q", name)
	}
	for _, name := range []string{"tank", "tank/mail", "tank/a b", "tank/a-b_c.d:e", "T9/x/" + strings.Repeat("a", 250)} {
		require.NoError(t, checkDataset(name), "%q", name)
	}
	for _, name := range []string{"tank", "tank@", "@x", "tank@a@b", "tank@a#b", "tank@a/b", "tank@a%b", "tank@%", "tank@a,b", "-tank@x", "tank@a\tb"} {
		require.ErrorIs(t, checkSnapshot(name), fault.Invalid, "%q", name)
	}
	require.NoError(t, checkSnapshot("tank/mail@nightshift_mail_2026-11-21T09:00:00Z"))
	require.NoError(t, checkSnapshot("tank/mail@-r"), "it is one word with the dataset")
	require.NoError(t, checkBookmark("tank/mail#x"))
	require.Error(t, checkBookmark("tank/mail@x"))
	require.Error(t, checkTag("-r"))
	require.Error(t, checkTag("a\tb"))
	require.NoError(t, checkTag("nightshift:mail"))
	require.Error(t, checkProperty("-o"))
	require.Error(t, checkProperty("a=b"))
	require.Error(t, checkProperty("a,b"))
}
