package zfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

// refusing destroys all or none of what one command names, as the kernel does, and says why not as zfs does.
type refusing struct {
	has      []string
	why      map[string]string // the words behind "cannot destroy snapshot NAME: "
	nameless bool              // it does not say which
	commands int
}

func (r *refusing) Run(_ context.Context, argv []string, s Streams) (Exit, error) {
	r.commands++
	ds, list, _ := strings.Cut(argv[len(argv)-1], "@")
	var wanted []string
	for n := range strings.SplitSeq(list, ",") {
		if slices.Contains(r.has, ds+"@"+n) {
			wanted = append(wanted, ds+"@"+n)
		}
	}
	status := 0
	for _, n := range wanted {
		if why := r.why[n]; why != "" {
			status = 1
			if r.nameless && len(wanted) > 1 {
				fmt.Fprintln(s.Stderr, "cannot destroy snapshots: "+why)
			} else {
				fmt.Fprintln(s.Stderr, "cannot destroy snapshot "+n+": "+why)
			}
		}
	}
	if len(wanted) == 0 {
		fmt.Fprintln(s.Stderr, "could not find any snapshots to destroy; check snapshot names.")
		return Exit{Status: 1}, nil
	}
	if status == 0 {
		r.has = slices.DeleteFunc(r.has, func(n string) bool { return slices.Contains(wanted, n) })
	}
	return Exit{Status: status}, nil
}

func TestOneThatCannotBeDestroyedDoesNotStopTheOthers(t *testing.T) {
	for _, nameless := range []bool{false, true} {
		r := &refusing{nameless: nameless, why: map[string]string{
			"tank/a@3": "it's being held. Run 'zfs holds -r tank/a@3' to see holders.",
			"tank/a@7": "snapshot is cloned",
			"tank/b@1": "dataset is busy",
		}}
		var names []string
		for i := range 250 {
			names = append(names, fmt.Sprintf("tank/a@%d", i))
		}
		names = append(names, "tank/b@1", "tank/b@2")
		r.has = append(slices.Clone(names), "tank/a@foreign")
		d, err := New("ss1", r).Destroy(t.Context(), append(names, "tank/b@gone")...)
		require.NoError(t, err)
		require.Len(t, d.Gone, 250, "247 of a, b@2, and one that was not there; less three")
		require.Len(t, d.Failed, 3)
		require.ErrorIs(t, d.Failed["tank/a@3"], ErrHeld)
		require.ErrorIs(t, d.Failed["tank/a@7"], ErrCloned)
		require.ErrorIs(t, d.Failed["tank/b@1"], ErrBusy)
		require.ElementsMatch(t, []string{"tank/a@foreign", "tank/a@3", "tank/a@7", "tank/b@1"}, r.has)
		if !nameless {
			require.Equal(t, 6, r.commands, "three batches and one again, one of b, and b@2 and b@gone again")
		}
	}
}

func TestWithoutTheRightOneCommandIsEnough(t *testing.T) {
	why := "permission denied"
	r := &refusing{nameless: true, has: []string{"tank/a@1", "tank/a@2"}, why: map[string]string{"tank/a@1": why, "tank/a@2": why}}
	d, err := New("ss1", r).Destroy(t.Context(), "tank/a@1", "tank/a@2")
	require.NoError(t, err)
	require.ErrorIs(t, d.Failed["tank/a@1"], fault.Permission)
	require.ErrorIs(t, d.Failed["tank/a@2"], fault.Permission)
	require.Equal(t, 1, r.commands)
}

func TestOldAndNewWordsForDependentClones(t *testing.T) {
	said := &ToolError{Exit: Exit{Status: 1}, Words: clean("cannot destroy 'tank/a@x': snapshot has dependent clones\nuse '-R' to destroy the following datasets:\ntank/t\n")}
	accused := accusedOf(said, []string{"tank/a@x", "tank/a@y"})
	require.Len(t, accused, 1)
	require.ErrorIs(t, accused["tank/a@x"], ErrCloned)
}

type lost struct{ after int }

func (l *lost) Run(context.Context, []string, Streams) (Exit, error) {
	if l.after--; l.after < 0 {
		return Exit{}, fault.As(fault.Unreachable, errors.New("the connection ended"))
	}
	return Exit{}, nil
}

func TestWhatWasDestroyedBeforeTheConnectionWasLostIsTold(t *testing.T) {
	var names []string
	for i := range 250 {
		names = append(names, fmt.Sprintf("tank/a@%d", i))
	}
	d, err := New("ss1", &lost{after: 2}).Destroy(t.Context(), names...)
	require.ErrorIs(t, err, fault.Unreachable)
	require.Len(t, d.Gone, 200)
	require.Empty(t, d.Failed)
}
