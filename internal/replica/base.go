package replica

import (
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/live"
)

// A Base is what an increment is sent from.
type Base struct {
	// From is the snapshot "tank/mail@x" or bookmark "tank/mail#x" of the source; empty: a full stream, as there is no replica yet.
	From string
	GUID uint64 // of it; 0 for a full stream
	// Target is the name of the same snapshot on the target, behind the @.
	Target string
	// Over are snapshots that others made on the target since, and in which nothing changed. ZFS receives over them, and keeps them;
	// older ones are refused there.
	Over []string
	// Done: the target has the wanted snapshot already, and it is its newest.
	Done bool
}

// A Stream is how it is to be sent, as far as that decides where it can go.
type Stream struct{ Raw, LargeBlocks bool }

// Why there is no base.
const (
	// Partial: there is a token of a receive that was broken off. It is judged on the source, and resumed or aborted.
	Partial = "partial"
	// Foreign: the destination is there, and is no replica of this source.
	Foreign = "foreign"
	// Diverged: the target has newer snapshots than the newest that both have.
	Diverged = "diverged"
	// Lost: the source does not have the snapshot any more that the target has as its newest, nor a bookmark of it.
	Lost = "lost"
	// Modified: the target was written to since its newest snapshot.
	Modified = "modified"
	// Ahead: the target has the wanted snapshot, and newer ones.
	Ahead = "ahead"
	// Missing: the source does not have the snapshot that is to be sent.
	Missing = "missing"
	// Kind: one side is a volume, the other a file system.
	Kind = "kind"
	// Blocks: one stream has blocks of more than 128 KiB as they are, and one has not.
	Blocks = "blocks"
	// Encryption: a raw stream does not go onto what is not encrypted, and no other goes onto what has no key loaded.
	Encryption = "encryption"
)

// NoBase is the error of ChooseBase: why nothing can be sent as things are, and what the choices are. Each of them destroys
// or sets aside something: none is ever taken without a person.
type NoBase struct {
	Why     string // Partial, Foreign, …
	Text    string // for people
	Choices []string
	// Common is the newest snapshot that both sides have, behind the @ of the target; empty: none. Newer are those on the target
	// that came after it.
	Common string
	Newer  []string
	Token  string // of Partial
}

func (e *NoBase) Error() string {
	if len(e.Choices) == 0 {
		return e.Text
	}
	return e.Text + ". The choices: " + strings.Join(e.Choices, "; or ")
}

// ChooseBase says what snapshot `wanted` (the name behind the @) of the source is sent from: the newest snapshot of the target,
// if the source still has it or a bookmark of it. Snapshots are compared by their GUIDs, never by name. target is nil where there
// is no dataset of this name; both are sorted (live.ZDataset.Sort). The error is always a *NoBase.
func ChooseBase(source *live.ZDataset, wanted string, target *live.ZDataset, as Stream) (Base, error) {
	to := source.Snapshot(wanted)
	large := as.LargeBlocks || as.Raw
	raw := as.Raw && source.Encryption != "" // what is not encrypted goes as any other stream, with its blocks as they are
	switch {
	case to == nil:
		return Base{}, &NoBase{Why: Missing, Text: fmt.Sprintf("%s@%s is not there to be sent", source.Name, wanted)}
	case target == nil:
		return Base{}, nil
	case target.ResumeToken != "":
		return Base{}, &NoBase{Why: Partial, Token: target.ResumeToken, Text: target.Name + " holds the part of a stream that was broken off",
			Choices: []string{"resume it, where the source still has what it needs", "throw that part away and begin anew (`zfs receive -A`)"}}
	case target.Volume != source.Volume:
		return Base{}, &NoBase{Why: Kind, Text: fmt.Sprintf("%s is a %s, and %s a %s", target.Name, kind(target), source.Name, kind(source)),
			Choices: []string{"give the group another place on the target"}}
	}
	newest := target.Newest()
	if newest == nil {
		return Base{}, &NoBase{Why: Foreign, Text: target.Name + " is there, has no snapshots, and did not come from " + source.Name,
			Choices: append(demoted(target), "give the group another place on the target", "rename or destroy that dataset")}
	}
	base := Base{From: find(source, newest.GUID, to), GUID: newest.GUID, Target: newest.Name}
	if base.From == "" && target.Written == 0 {
		base = overForeign(source, to, target)
	}
	switch {
	case newest.GUID == to.GUID && target.Written == 0:
		return Base{From: source.Name + "@" + to.Name, GUID: to.GUID, Target: newest.Name, Done: true}, nil
	case newest.GUID == to.GUID, base.From != "" && target.Written > 0:
		return Base{}, modified(target)
	case base.From == "":
		return Base{}, noBase(source, to, target)
	case raw && target.Encryption == "", !raw && target.KeyStatus == "unavailable":
		return Base{}, locked(source, target)
	case target.Volume && source.VolBlockSize > smallBlocks && large != (target.VolBlockSize > smallBlocks):
		return Base{}, otherBlocks(target, large)
	case raw && len(base.Over) > 0:
		return Base{}, &NoBase{Why: Diverged, Common: base.Target, Newer: base.Over, Choices: []string{"destroy them there: nothing changed in them"},
			Text: fmt.Sprintf("%s has snapshots of others, newer than @%s, the newest that both have, and a raw stream does not go over them: %s",
				target.Name, base.Target, few(base.Over))}
	}
	return base, nil
}

// apart is the choice that keeps the recovery points, and needs room for a second replica.
const apart = "rename the replica, which keeps its recovery points, and replicate in full in its place"

// locked says why a stream cannot go onto the target, by how that is encrypted.
func locked(source, target *live.ZDataset) error {
	if target.Encryption == "" {
		return &NoBase{Why: Encryption, Text: fmt.Sprintf("%s is not encrypted: it was not sent raw, and a raw stream does not go onto it", target.Name),
			Choices: []string{"do not send raw, with the key of " + source.Name + " loaded", apart}}
	}
	return &NoBase{Why: Encryption, Text: fmt.Sprintf("%s is encrypted, and its key is not loaded: only a raw stream goes onto it", target.Name),
		Choices: []string{"load its key", "send raw, if it always was"}}
}

// smallBlocks is how large a block gets, in bytes, where it is not sent as it is.
const smallBlocks = 128 << 10

// otherBlocks says why a stream of a volume does not go onto one that was sent the other way. With large blocks onto small ones ZFS
// (2.3) takes it, and loses what the increment does not have: test/contract has measured it. Of file systems it takes care.
func otherBlocks(target *live.ZDataset, large bool) error {
	if large {
		return &NoBase{Why: Blocks, Text: target.Name + " was sent without large blocks, and ZFS would lose what it has where an increment with them came onto it",
			Choices: []string{"send without them, as before (send.largeBlocks: false)", apart}}
	}
	return &NoBase{Why: Blocks, Text: target.Name + " was sent with large blocks, and takes no increment without them",
		Choices: []string{"send with them, as before (send.largeBlocks: true)", apart}}
}

// overForeign looks for a base below foreign snapshots of the target in which nothing changed; without one it has no From.
func overForeign(source *live.ZDataset, to *live.ZSnapshot, target *live.ZDataset) Base {
	var over []string
	for _, s := range slices.Backward(target.Snapshots) {
		if from := find(source, s.GUID, to); from != "" {
			slices.Reverse(over)
			return Base{From: from, GUID: s.GUID, Target: s.Name, Over: over}
		}
		if _, _, ours := ParsePoint(s.Name); ours || s.Written != 0 || s.GUID == to.GUID {
			break
		}
		over = append(over, s.Name)
	}
	return Base{}
}

// find looks for what is left of a snapshot on the source, made before another one: itself, or a bookmark.
func find(source *live.ZDataset, guid uint64, before *live.ZSnapshot) string {
	for _, s := range source.Snapshots {
		if s.GUID == guid && s.CreateTXG < before.CreateTXG {
			return source.Name + "@" + s.Name
		}
	}
	for _, b := range source.Bookmarks {
		if b.GUID == guid && b.CreateTXG < before.CreateTXG {
			return source.Name + "#" + b.Name
		}
	}
	return ""
}

// noBase says why the newest snapshot of the target is none to send from.
func noBase(source *live.ZDataset, to *live.ZSnapshot, target *live.ZDataset) error {
	has := make(map[uint64]bool, len(source.Snapshots)+len(source.Bookmarks))
	for _, s := range source.Snapshots {
		has[s.GUID] = true
	}
	for _, b := range source.Bookmarks {
		has[b.GUID] = true
	}
	e := &NoBase{}
	at := -1
	for i, s := range slices.Backward(target.Snapshots) {
		if has[s.GUID] {
			at, e.Common = i, s.Name
			break
		}
	}
	for _, s := range target.Snapshots[at+1:] {
		e.Newer = append(e.Newer, s.Name)
	}
	beside := fmt.Sprintf("replicate in full to another place, beside %s, if there is space for both", target.Name)
	newest := target.Newest()
	if i := slices.IndexFunc(target.Snapshots, func(s live.ZSnapshot) bool { return s.GUID == to.GUID }); i >= 0 {
		e.Why, e.Newer = Ahead, nil
		for _, s := range target.Snapshots[i+1:] {
			e.Newer = append(e.Newer, s.Name)
		}
		e.Text = fmt.Sprintf("%s has @%s already, and after it %s", target.Name, to.Name, few(e.Newer))
		e.Choices = []string{"send a newer snapshot of " + source.Name}
		return e
	}
	_, _, ours := ParsePoint(newest.Name)
	switch {
	case at < 0 && !ours && len(target.Snapshots) == len(e.Newer) && !anyOurs(target):
		e.Why = Foreign
		e.Text = fmt.Sprintf("%s is there, and none of its %d snapshots came from %s", target.Name, len(target.Snapshots), source.Name)
		e.Choices = []string{"give the group another place on the target", "rename or destroy that dataset"}
	case at < 0:
		e.Why = Lost
		e.Text = fmt.Sprintf("%s and %s have no snapshot in common any more, nor a bookmark: the newest of the replica, @%s, is gone from the source",
			source.Name, target.Name, newest.Name)
		e.Choices = append(demoted(source), apart, beside)
	case ours:
		e.Why = Lost
		e.Text = fmt.Sprintf("%s does not have @%s any more, which is the newest of %s; the newest that both have is @%s",
			source.Name, newest.Name, target.Name, e.Common)
		e.Choices = append(demoted(source), back(target, e), beside)
	default:
		e.Why = Diverged
		e.Text = fmt.Sprintf("%s has snapshots that %s does not know, newer than @%s, the newest that both have: %s",
			target.Name, source.Name, e.Common, few(e.Newer))
		e.Choices = []string{back(target, e), beside}
	}
	return e
}

// demoted is the choice where a clone was promoted, which took the snapshots with it: the dataset is the clone now.
func demoted(d *live.ZDataset) []string {
	if d.Origin == "" {
		return nil
	}
	return []string{fmt.Sprintf("if a clone of %s was promoted, which took its snapshots, take them back: zfs promote %s", d.Name, d.Name)}
}

// back is the choice that costs the newer snapshots of the target.
func back(target *live.ZDataset, e *NoBase) string {
	return fmt.Sprintf("take %s back to @%s, which destroys %s there and all that was written since", target.Name, e.Common, few(e.Newer))
}

func modified(target *live.ZDataset) error {
	newest := target.Newest().Name
	return &NoBase{Why: Modified, Common: newest,
		Text: fmt.Sprintf("%s was written to since its newest snapshot, @%s: %d bytes", target.Name, newest, target.Written),
		Choices: []string{
			fmt.Sprintf("take it back to @%s, which destroys what was written", newest),
			"keep what was written by a clone: rename the replica and replicate in full in its place",
		}}
}

func anyOurs(d *live.ZDataset) bool {
	return slices.ContainsFunc(d.Snapshots, func(s live.ZSnapshot) bool {
		_, _, ours := ParsePoint(s.Name)
		return ours
	})
}

func kind(d *live.ZDataset) string {
	if d.Volume {
		return "volume"
	}
	return "file system"
}

// few lists names for people.
func few(names []string) string {
	const most = 5
	var text []string
	for _, n := range names[:min(len(names), most)] {
		text = append(text, "@"+n)
	}
	if more := len(names) - most; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(text, ", ")
}
