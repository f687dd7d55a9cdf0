package zfs

import (
	"errors"
	"fmt"
	"strings"

	"nightshift/internal/fault"
)

// What zfs and zpool say no with, beyond the kinds of package fault. Test with errors.Is.
var (
	// ErrBusy: somebody has it open, or a receive into it runs.
	ErrBusy = errors.New("busy")
	// ErrPartial: there is partial state of a receive that was broken off; it is resumed or aborted first.
	ErrPartial = errors.New("partially received")
	ErrHeld    = errors.New("held")
	ErrCloned  = errors.New("cloned")
	// ErrExists: the snapshot, bookmark, hold or destination is there already.
	ErrExists = errors.New("exists already")
	// ErrNoHold: there is no hold with this tag.
	ErrNoHold = errors.New("no such hold")
	// ErrModified: the destination was written to since its newest snapshot.
	ErrModified = errors.New("destination modified")
	// ErrDiverged: the newest snapshot of the destination is not the one that is sent from, or there are newer ones.
	ErrDiverged = errors.New("destination diverged")
	// ErrNoSource: the snapshot that is to be sent (from) is not there any more, or is another one of the same name.
	ErrNoSource = errors.New("source snapshot gone")
	// ErrToken: the token to resume with is not one, or does not match.
	ErrToken = errors.New("resume token of no use")
	// ErrIncomplete: the stream ended early. What arrived is kept where the receive was resumable.
	ErrIncomplete = errors.New("stream incomplete")
	// ErrDamaged: the stream arrived damaged. What arrived up to there is kept.
	ErrDamaged = errors.New("stream damaged")
	// ErrBlocks: earlier streams were sent with large blocks (-L), this one was not, or the other way round.
	ErrBlocks  = errors.New("large blocks do not match")
	ErrNoSpace = errors.New("no space")
	ErrQuota   = errors.New("quota reached")
	// ErrSuspended: the pool has lost its devices; everything waits until they are back and it is cleared.
	ErrSuspended = errors.New("pool suspended")
	// ErrKey: an encryption key is not loaded, or does not fit; or a raw stream does not go onto what did not come raw.
	ErrKey = errors.New("encryption key")
	// ErrRights: somebody has to delegate it (zfs allow).
	ErrRights = errors.New("not delegated")
	// ErrPeerKey: the target shows the source another host key than it knows, or one that it does not know. Direct only, as
	// ErrPeerLogin: the target does not take the source's key.
	ErrPeerKey   = errors.New("host key of the target, from the source")
	ErrPeerLogin = errors.New("login on the target, from the source")
)

// A ToolError is a zfs or zpool that ended with a status other than 0. Its kind (package fault) and one of the errors above
// are found with errors.Is.
type ToolError struct {
	Host    string
	Command string // as a person would type it, shortened
	Exit    Exit
	Words   string // what it said on standard error, its lines with " / " between them; an error text has the first of it
	kinds   []error
}

func (e *ToolError) Error() string {
	words := e.Words
	switch {
	case words == "":
		words = "it does not say why"
	case len(words) > 1000:
		words = strings.ToValidUTF8(words[:1000], "") + "…"
	}
	return fmt.Sprintf("%s: `%s` %s: %s", e.Host, e.Command, e.Exit, words)
}

// Unwrap are the kinds.
func (e *ToolError) Unwrap() []error { return e.kinds }

// refused makes an error of a tool that ended badly.
func (c *Client) refused(argv []string, exit Exit, stderr string) error {
	if words, _, is := strings.Cut("\n"+stderr, "\nusage:"); is {
		stderr = words // the list of all options and properties says nothing of the error
	}
	if words, _, is := strings.Cut(stderr, "A resuming stream can be generated"); is {
		stderr = words // by a token of hundreds of characters: nightshift does it
	}
	return &ToolError{Host: c.name, Command: short(argv), Exit: exit, Words: clean(stderr), kinds: classify(exit, stderr)}
}

// saying is a text of the tools and what it means. part: it is also said after a part was carried out.
type saying struct {
	text  string // lower case
	means []error
	part  bool
}

// sayings are looked for in this order; the first that is found counts. The texts are those of lib/libzfs/libzfs_util.c,
// libzfs_dataset.c, libzfs_sendrecv.c and cmd/zfs/zfs_main.c.
var sayings = []saying{
	// zfs receive
	{"contains partially-complete state", []error{fault.State, ErrPartial}, false},
	{"resuming recv on existing", []error{fault.State, ErrPartial}, false},
	{"most recent snapshot of", []error{fault.State, ErrDiverged}, false}, // "… does not match incremental source"
	{"has been modified", []error{fault.State, ErrModified}, false},
	{"more recent snapshots or bookmarks exist", []error{fault.State, ErrDiverged}, false},
	{"space quota exceeded", []error{fault.State, ErrNoSpace, ErrQuota}, true},
	{"quota exceeded", []error{fault.State, ErrNoSpace, ErrQuota}, true}, // strerror(EDQUOT): "Disk quota exceeded"
	{"requires -l (--large-block)", []error{fault.State, ErrBlocks}, true},
	{"need -l (--large-block)", []error{fault.State, ErrBlocks}, true},
	{"checksum mismatch or incomplete", []error{fault.Unreachable, ErrIncomplete}, true}, // 0.8 to 2.1 do not tell them apart
	{"checksum mismatch", []error{fault.Unreachable, ErrDamaged}, true},
	{"incomplete stream", []error{fault.Unreachable, ErrIncomplete}, true},
	{"failed to read from stream", []error{fault.Unreachable, ErrIncomplete}, true},
	{"encryption key does not match", []error{fault.State, ErrKey}, false},
	{"key must be loaded", []error{fault.State, ErrKey}, false},
	{"raw receive on top of existing unencrypted", []error{fault.State, ErrKey}, false},
	{"iv set guid", []error{fault.State, ErrKey}, false},
	{"invalid backup stream", []error{fault.State, ErrDamaged}, true},
	// zfs send
	{"resume token is corrupt", []error{fault.Invalid, ErrToken}, false},
	{"resume token does not match", []error{fault.Invalid, ErrToken}, false},
	{"no longer the same snapshot", []error{fault.NotFound, ErrToken, ErrNoSource}, false},
	{"used in the initial send no longer exists", []error{fault.NotFound, ErrToken, ErrNoSource}, false},
	{"incremental source 0x", []error{fault.NotFound, ErrToken, ErrNoSource}, false}, // "… no longer exists": of a token
	{"incremental source could not be found", []error{fault.NotFound, ErrNoSource}, false},
	{"incremental source", []error{fault.NotFound, ErrNoSource}, false}, // "(@x) does not exist"
	{"no such process", []error{fault.NotFound, ErrNoSource}, false},    // of a bookmark: 2.3
	{"not an earlier snapshot from the same fs", []error{fault.Invalid, ErrNoSource}, false},
	{"does not have any resumable receive state", []error{fault.NotFound}, false},
	// snapshots, holds, bookmarks
	{"it's being held", []error{fault.State, ErrHeld}, false},
	{"snapshot is cloned", []error{fault.State, ErrCloned}, false},
	{"has dependent clones", []error{fault.State, ErrCloned}, false},
	{"tag already exists", []error{fault.State, ErrExists}, false},
	{"no such tag on this dataset", []error{fault.NotFound, ErrNoHold}, false},
	{"could not find any snapshots to destroy", []error{fault.NotFound}, false},
	// anything
	{"permission denied", []error{fault.Permission, ErrRights}, false},
	{"delegated administration is disabled", []error{fault.Permission, ErrRights}, false},
	{"i/o is currently suspended", []error{fault.State, ErrSuspended}, false},
	{"out of space", []error{fault.State, ErrNoSpace}, true},
	{"no space left", []error{fault.State, ErrNoSpace}, true},
	{"already exists", []error{fault.State, ErrExists}, false},
	{"bookmark exists", []error{fault.State, ErrExists}, false},
	{"must specify -f to overwrite", []error{fault.State, ErrExists}, false},
	{"is busy", []error{fault.State, ErrBusy}, false},
	{"does not exist", []error{fault.NotFound}, false},
	{"no longer exists", []error{fault.NotFound}, false},
	{"no such pool", []error{fault.NotFound}, false}, // "no such pool or dataset", "no such pool"
	{"pool is unavailable", []error{fault.State, ErrSuspended}, false},
	{"read-only", []error{fault.State}, false},
	{"must be upgraded", []error{fault.Unsupported}, false},
	{"unsupported version or feature", []error{fault.Unsupported}, false},
	{"feature not enabled", []error{fault.Unsupported}, false},
	{"does not support this operation", []error{fault.Unsupported}, false},
	{"unsupported feature", []error{fault.Unsupported}, false},
	{"unrecognized command", []error{fault.Unsupported}, false},
	{"invalid option", []error{fault.Unsupported}, false},
	{"invalid property", []error{fault.Unsupported}, false},
	{"invalid character", []error{fault.Invalid}, false},
	{"invalid name", []error{fault.Invalid}, false},
	{"not found", []error{fault.Unsupported}, false}, // sh, env: "zfs: not found"
	{"no such file or directory", []error{fault.Unsupported}, false},
}

// classify says what the words of a tool mean. fault.NotDone is there where what was said is only said before anything is done.
func classify(exit Exit, stderr string) []error {
	words := strings.ToLower(strings.Join(strings.Fields(stderr), " ")) // some texts have a line break in the middle
	for _, s := range sayings {
		if strings.Contains(words, s.text) {
			kinds := s.means
			if !s.part && exit.Signal == "" {
				kinds = append([]error{fault.NotDone}, kinds...)
			}
			return kinds
		}
	}
	if exit.Signal != "" {
		return []error{fault.Unreachable} // somebody ended it: whether it was done has to be looked at
	}
	return []error{fault.State}
}

// clean makes one line of what a tool said, without what cannot be shown.
func clean(words string) string {
	var lines []string
	for line := range strings.SplitSeq(words, "\n") {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if control(r) {
				return ' '
			}
			return r
		}, line))
		if line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, " / ")
}
