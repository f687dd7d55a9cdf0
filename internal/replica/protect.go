package replica

import (
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/live"
)

// Facts are what protects snapshots of a dataset beside what they say themselves.
type Facts struct {
	// Common are by GUID, the newest first: the newest snapshot that the other side has as well, and where that is newer, the one of which
	// the other side has a bookmark. Increments start there. Where the newest is not one of the group, it may be destroyed by whoever made it,
	// and the newest of the group is among them, too. Empty: the sides have nothing in common.
	Common []uint64
	// Unknown is why nobody knows what the other side has: then any snapshot may be the last common one.
	Unknown string
	// InFlight are those, by GUID, that a transfer needs that is under way or was broken off.
	InFlight map[uint64]bool
	// Tags are the holds of the dataset's snapshots, by the name behind the @, where they were read.
	Tags map[string][]string
	// Released are the snapshots, by the name behind the @, whose hold of ours is taken away first.
	Released map[string]bool
	// Whole are the names of the recovery points that all datasets of the group have; nil: not known. Of each period the last whole point
	// stays as well as the last of the dataset, or no point of that time could be brought back as one.
	Whole map[string]bool
}

// FactsOf says what a dataset and the one on the other side have in common, and what is in flight between them, whichever of them is the
// source. nil: it is not known what there is. Both are sorted (live.ZDataset.Sort).
func FactsOf(here, there *live.ZDataset, group string) Facts {
	var f Facts
	if there == nil {
		f.Unknown = "the other side is not known"
		return f
	}
	snapshots, bookmarks := make(map[uint64]bool, len(there.Snapshots)), make(map[uint64]bool, len(there.Bookmarks))
	for _, s := range there.Snapshots {
		snapshots[s.GUID] = true
	}
	for _, b := range there.Bookmarks {
		bookmarks[b.GUID] = true
	}
	newest := uint64(0) // transaction group of the newest common one
	shared := false     // a snapshot of both was found
	for _, s := range slices.Backward(here.Snapshots) {
		of, _, _ := ParsePoint(s.Name)
		if snapshots[s.GUID] && (!shared || of == group) || bookmarks[s.GUID] && len(f.Common) == 0 {
			f.Common, newest = append(f.Common, s.GUID), max(newest, s.CreateTXG)
		}
		if shared = shared || snapshots[s.GUID]; snapshots[s.GUID] && of == group {
			break
		}
	}
	f.InFlight = make(map[uint64]bool)
	if here.ResumeToken != "" && len(here.Snapshots) > 0 { // what arrives is on top of the newest
		f.InFlight[here.Newest().GUID] = true
	}
	if there.ResumeToken != "" { // of which snapshot, the token does not say here: none that is newer than the last common one goes
		for _, s := range here.Snapshots {
			if s.CreateTXG > newest {
				f.InFlight[s.GUID] = true
			}
		}
	}
	return f
}

// Protects says, for people, why a snapshot must not be destroyed whatever the policy says; nil: it may be. It does not look at Unknown,
// nor whose the snapshot is.
func (f Facts) Protects(s *live.ZSnapshot, group string) (why []string) {
	tags, holds := f.Tags[s.Name], s.Holds
	for _, tag := range tags {
		holds--
		switch {
		case tag != HoldTag(group):
			why = append(why, held(tag))
		case !f.Released[s.Name]:
			why = append(why, "held by nightshift")
		}
	}
	if holds > 0 {
		why = append(why, fmt.Sprintf("held: %d", holds))
	}
	for _, clone := range s.Clones {
		if strings.HasSuffix(clone, "/%recv") { // what has arrived of an increment
			why = append(why, inFlight)
		} else {
			why = append(why, "cloned: "+clone)
		}
	}
	if slices.Contains(f.Common, s.GUID) {
		why = append(why, "the last common one")
	}
	if f.InFlight[s.GUID] && !slices.Contains(why, inFlight) {
		why = append(why, inFlight)
	}
	return why
}

const inFlight = "in flight"

// held says what a hold of others means: zfs send puts one of its own on what it reads, where it is to be resumable.
func held(tag string) string {
	if strings.HasPrefix(tag, ".send-") {
		return inFlight
	}
	return "held: " + tag
}

// DanglingHolds are the snapshots, by the name behind the @, with a hold of ours that nothing needs any more: all but the last common ones
// and those in flight. They are offered to be released. Where the sides have nothing in common, or that is not known, nobody can tell.
func DanglingHolds(d *live.ZDataset, group string, facts Facts) []string {
	if facts.Unknown != "" || len(facts.Common) == 0 {
		return nil
	}
	var dangling []string
	for _, s := range d.Snapshots {
		if slices.Contains(facts.Tags[s.Name], HoldTag(group)) && !slices.Contains(facts.Common, s.GUID) && !facts.InFlight[s.GUID] {
			dangling = append(dangling, s.Name)
		}
	}
	return dangling
}
