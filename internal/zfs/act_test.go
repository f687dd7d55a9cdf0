package zfs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

// quiet answers everything with nothing, and remembers it.
func quiet(commands *[]string) *Client {
	return New("ss1", scripted(func(argv []string) (string, string, Exit) {
		*commands = append(*commands, strings.Join(argv, "|"))
		return "", "", Exit{}
	}))
}

func TestCommandsAreListsOfArguments(t *testing.T) {
	ctx := t.Context()
	var ran []string
	c := quiet(&ran)
	require.NoError(t, c.Snapshot(ctx, nil, "tank/mail@x", "tank/mail-log@x"))
	require.NoError(t, c.Snapshot(ctx, map[string]string{"nightshift:run": "r 1", "nightshift:a": "b"}, "tank/mail@y", "tank/mail-log@y"))
	require.NoError(t, c.Hold(ctx, "nightshift:mail", "tank/mail@x", "tank/mail-log@x"))
	require.NoError(t, c.Release(ctx, "nightshift:mail", "tank/mail@w"))
	require.NoError(t, c.Bookmark(ctx, "tank/mail@x", "tank/mail#x"))
	require.NoError(t, c.DestroyBookmark(ctx, "tank/mail#w"))
	require.NoError(t, c.SetUser(ctx, map[string]string{"nightshift:group": "mail", "nightshift:b": "1 = 2"}, "tank/mail"))
	require.NoError(t, c.ClearUser(ctx, "tank/mail", "nightshift:group"))
	require.NoError(t, c.Abort(ctx, "backup/mail"))
	require.Equal(t, []string{
		"zfs|snapshot|tank/mail@x|tank/mail-log@x",
		"zfs|snapshot|-o|nightshift:a=b|-o|nightshift:run=r 1|tank/mail@y|tank/mail-log@y",
		"zfs|hold|nightshift:mail|tank/mail@x|tank/mail-log@x",
		"zfs|release|nightshift:mail|tank/mail@w",
		"zfs|bookmark|tank/mail@x|tank/mail#x",
		"zfs|destroy|tank/mail#w",
		"zfs|set|nightshift:b=1 = 2|nightshift:group=mail|tank/mail",
		"zfs|inherit|nightshift:group|tank/mail",
		"zfs|receive|-A|backup/mail",
	}, ran)
}

func TestWhatIsNotToBeDoneIsNotSent(t *testing.T) {
	ctx := t.Context()
	var ran []string
	c := quiet(&ran)
	for _, err := range []error{
		c.Snapshot(ctx, nil),
		c.Snapshot(ctx, nil, "tank/a@x", "other/b@x"),
		c.Snapshot(ctx, nil, "tank/a"),
		c.Snapshot(ctx, map[string]string{"org:run": "x"}, "tank/a@x"),
		c.Hold(ctx, "-r", "tank/a@x"),
		c.SetUser(ctx, map[string]string{"readonly": "off"}, "tank/a"),
		c.SetUser(ctx, map[string]string{"org:x": "1"}, "tank/a"),
		c.SetUser(ctx, map[string]string{"nightshift:x": "two\nlines"}, "tank/a"),
		c.SetUser(ctx, map[string]string{"nightshift:x": strings.Repeat("x", MaxValue+1)}, "tank/a"),
		c.SetUser(ctx, nil, "tank/a"),
		c.ClearUser(ctx, "tank/a", "mountpoint"),
		c.DestroyBookmark(ctx, "tank/a"),
		c.Abort(ctx, "tank/a@x"),
	} {
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorIs(t, err, fault.NotDone)
	}
	_, err := c.Destroy(ctx, "tank/a@x%y")
	require.ErrorIs(t, err, fault.Invalid)
	_, err = c.Destroy(ctx, "tank/a")
	require.ErrorIs(t, err, fault.Invalid)
	require.Empty(t, ran)
}

func TestSendAndReceiveWords(t *testing.T) {
	for _, test := range []struct {
		send Send
		want string
	}{
		{Send{Snapshot: "tank/mail@x"}, "zfs send -vP tank/mail@x"},
		{Send{Snapshot: "tank/mail@x", From: "tank/mail@w", Compressed: true, LargeBlocks: true}, "zfs send -vP -c -L -i tank/mail@w tank/mail@x"},
		{Send{Snapshot: "tank/mail@x", From: "tank/mail#w", Raw: true, Compressed: true}, "zfs send -vP -w -i tank/mail#w tank/mail@x"},
		{Send{Token: "1-e604ea4bf-e0-789c"}, "zfs send -vP -t 1-e604ea4bf-e0-789c"},
	} {
		argv, err := test.send.argv("-vP")
		require.NoError(t, err)
		require.Equal(t, test.want, strings.Join(argv, " "))
	}
	for _, s := range []Send{
		{}, {Snapshot: "tank/mail"}, {Snapshot: "tank/mail@x", From: "@w"}, {Snapshot: "tank/mail@x", From: "tank/other@w"}, {Snapshot: "tank/mail@x", From: "tank/mail"},
		{Snapshot: "tank/mail@x", Token: "1-a"}, {Token: "1-a b"}, {Token: "-R"}, {Token: strings.Repeat("a", 9000)},
	} {
		_, err := s.argv("-vP")
		require.ErrorIs(t, err, fault.Invalid, "%+v", s)
	}
	argv, err := Receive{Dataset: "backup/mail", Set: ReplicaProps(true)}.argv()
	require.NoError(t, err)
	require.Equal(t, "zfs receive -s -u -o readonly=on -o volmode=none backup/mail", strings.Join(argv, " "))
	for _, r := range []Receive{{}, {Dataset: "backup"}, {Dataset: "backup/mail@x"}, {Dataset: "backup/mail", Set: map[string]string{"-F": "x"}},
		{Dataset: "backup/mail", Set: map[string]string{"a": "x\ny"}}} {
		_, err := r.argv()
		require.ErrorIs(t, err, fault.Invalid, "%+v", r)
	}
}
