package zfs

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

// The texts are those of OpenZFS 2.3 as it prints them, put together from its sources.
func TestWhatTheToolsSay(t *testing.T) {
	for _, test := range []struct {
		says string
		kind error
		is   error
		may  bool // something may have been done
	}{
		{says: "cannot open 'tank/no': dataset does not exist", kind: fault.NotFound},
		{says: "cannot open 'nopool': no such pool", kind: fault.NotFound},
		{says: "cannot create snapshot 'tank/mail@x': permission denied", kind: fault.Permission},
		{says: "cannot create snapshot 'tank/mail@x': dataset already exists\nno snapshots were created", kind: fault.State, is: ErrExists},
		{says: "cannot create snapshot 'tank/mail@x': out of space", kind: fault.State, is: ErrNoSpace, may: true},
		{says: "cannot create snapshot 'tank/mail@x': pool I/O is currently suspended", kind: fault.State, is: ErrSuspended},
		{says: "cannot destroy 'tank/mail': dataset is busy", kind: fault.State, is: ErrBusy},
		{says: "cannot destroy snapshot tank/mail@x: dataset is busy", kind: fault.State, is: ErrBusy},
		{says: "cannot destroy snapshot tank/mail@x: it's being held. Run 'zfs holds -r tank/mail@x' to see holders.", kind: fault.State, is: ErrHeld},
		{says: "cannot destroy snapshot tank/mail@x: snapshot is cloned", kind: fault.State, is: ErrCloned},
		{says: "cannot destroy 'tank/mail@x': snapshot has dependent clones\nuse '-R' to destroy the following datasets:\ntank/test", kind: fault.State, is: ErrCloned},
		{says: "could not find any snapshots to destroy; check snapshot names.", kind: fault.NotFound},
		{says: "cannot hold snapshot 'tank/mail@x': tag already exists on this dataset", kind: fault.State, is: ErrExists},
		{says: "cannot release hold from snapshot 'tank/mail@x': no such tag on this dataset", kind: fault.NotFound, is: ErrNoHold},
		{says: "cannot create bookmark 'tank/mail#x': bookmark exists", kind: fault.State, is: ErrExists},
		{says: "cannot create bookmark 'tank/mail#x': bookmark feature not enabled", kind: fault.Unsupported},
		{says: "cannot receive incremental stream: most recent snapshot of backup/mail does not\nmatch incremental source", kind: fault.State, is: ErrDiverged},
		{says: "cannot receive incremental stream: destination backup/mail has been modified\nsince most recent snapshot", kind: fault.State, is: ErrModified},
		{says: "cannot receive new filesystem stream: destination 'backup/mail' exists\nmust specify -F to overwrite it", kind: fault.State, is: ErrExists},
		{says: "cannot restore to backup/mail@x: destination already exists", kind: fault.State, is: ErrExists},
		{says: "cannot receive new filesystem stream: dataset is busy", kind: fault.State, is: ErrBusy},
		{says: "cannot receive incremental stream: destination backup/mail contains partially-complete state from \"zfs receive -s\".", kind: fault.State, is: ErrPartial},
		{says: "cannot receive new filesystem stream: incomplete stream.\nPartially received snapshot is saved.\n" +
			"A resuming stream can be generated on the sending system by running:\n    zfs send -t 1-e604", kind: fault.Unreachable, is: ErrIncomplete, may: true},
		{says: "cannot receive resume stream: checksum mismatch or incomplete stream.\nPartially received snapshot is saved.", kind: fault.Unreachable, is: ErrIncomplete, may: true},
		{says: "cannot receive resume stream: checksum mismatch.\nPartially received snapshot is saved.", kind: fault.Unreachable, is: ErrDamaged, may: true},
		{says: "cannot receive: failed to read from stream", kind: fault.Unreachable, is: ErrIncomplete, may: true},
		{says: "cannot receive new filesystem stream: destination backup/mail space quota exceeded.", kind: fault.State, is: ErrQuota, may: true},
		{says: "cannot receive new filesystem stream: out of space", kind: fault.State, is: ErrNoSpace, may: true},
		{says: "cannot receive incremental stream: incremental send stream requires -L (--large-block), to match previous receive.", kind: fault.State, is: ErrBlocks, may: true},
		{says: "cannot receive: pool must be upgraded to receive this stream.", kind: fault.Unsupported},
		{says: "cannot receive incremental stream: inherited key must be loaded", kind: fault.State, is: ErrKey},
		{says: "cannot resume send: resume token is corrupt (incorrect checksum)", kind: fault.Invalid, is: ErrToken},
		{says: "cannot resume send: 'tank/mail@x' used in the initial send no longer exists", kind: fault.NotFound, is: ErrToken},
		{says: "cannot resume send: 'tank/mail@x' is no longer the same snapshot used in the initial send", kind: fault.NotFound, is: ErrNoSource},
		{says: "cannot resume send: incremental source 0x7c8a13b1 no longer exists", kind: fault.NotFound, is: ErrToken},
		{says: "warning: cannot send 'tank/mail@x': incremental source (@y) does not exist", kind: fault.NotFound, is: ErrNoSource},
		{says: "warning: cannot send 'tank/mail@x': No such process", kind: fault.NotFound, is: ErrNoSource},
		{says: "cannot rollback to 'tank/mail@x': more recent snapshots or bookmarks exist\nuse '-r' to force deletion of the following\nsnapshots and bookmarks:\ntank/mail@y",
			kind: fault.State, is: ErrDiverged},
		{says: "'backup/mail' does not have any resumable receive state to abort", kind: fault.NotFound},
		{says: "Connection to the kernel lost in a way that nobody has seen", kind: fault.State},
		{says: "env: 'zfs': No such file or directory", kind: fault.Unsupported},
		{says: "unrecognized command 'bookmark'", kind: fault.Unsupported},
	} {
		t.Run(test.says[:min(60, len(test.says))], func(t *testing.T) {
			err := New("ss2", nil).refused([]string{"zfs", "x"}, Exit{Status: 1}, test.says+"\n")
			require.ErrorIs(t, err, test.kind)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			require.NotContains(t, err.Error(), "zfs send -t", "a token is for nightshift")
			if test.says[:10] != "Connection" {
				require.Equal(t, !test.may, errors.Is(err, fault.NotDone))
			}
			require.NotContains(t, err.Error(), "\n")
			require.Contains(t, err.Error(), strings.SplitN(test.says, "\n", 2)[0])
		})
	}
}

func TestAToolThatWasKilledMayHaveDoneIt(t *testing.T) {
	err := New("ss2", nil).refused([]string{"zfs", "destroy", "a@b"}, Exit{Status: -1, Signal: "KILL"}, "")
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, "ss2: `zfs destroy a@b` was killed by KILL: it does not say why")
}

func TestWhatAToolSaysIsShownHarmless(t *testing.T) {
	err := New("ss2", nil).refused([]string{"zfs"}, Exit{Status: 1}, "\x1b[31mred\x00\n"+strings.Repeat("ä", 2000))
	require.NotContains(t, err.Error(), "\x1b")
	require.Less(t, len(err.Error()), 1200)
	require.True(t, strings.HasSuffix(err.Error(), "…"))
}

func TestTheUsageIsNoReason(t *testing.T) {
	usage, err := os.ReadFile("testdata/bad-property-openzfs-2.3.2.txt") // as printed
	require.NoError(t, err)
	err = New("ss2", nil).refused([]string{"zfs", "list"}, Exit{Status: 2}, string(usage))
	require.EqualError(t, err, "ss2: `zfs list` ended with status 2: bad property list: invalid property 'nosuchprop'")
	require.ErrorIs(t, err, fault.Unsupported)
	require.Equal(t, "nosuchprop", unknownProperty(err))
}
