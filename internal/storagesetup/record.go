package storagesetup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

const (
	recordPath    = "/var/lib/nightshift-storage/prepared.json" // not in statedir.Service: that belongs to another user
	recordVersion = 1
)

// record is what was done on a host, the oldest first. It lies there, so that any nightshift can take it back.
type record struct {
	Version int     `json:"version"`
	Done    []entry `json:"done"`
}

// An entry is one thing that was done, or was about to be.
type entry struct {
	Kind    string   `json:"kind"`
	Account string   `json:"account,omitempty"`
	Path    string   `json:"path,omitempty"` // of a file or directory, as it is on the host
	Line    string   `json:"line,omitempty"` // that was added to it
	Made    bool     `json:"made,omitempty"` // the file was not there before
	Sum     string   `json:"sum,omitempty"`  // SHA-256 of the file that was written
	Was     string   `json:"was,omitempty"`  // that of our file in whose place it comes: nightshift may have ended before it was written
	Dataset string   `json:"dataset,omitempty"`
	Allowed []string `json:"allowed,omitempty"`
	Unit    string   `json:"unit,omitempty"` // of systemd, that was enabled
}

// Kinds of entries.
const (
	didAccount = "account"
	didLine    = "line"
	didKey     = "key"
	didFile    = "file"
	didDataset = "dataset"
	didAllow   = "allow"
	didEnable  = "enable"
)

func (e entry) equal(other entry) bool {
	a, errA := json.Marshal(e)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && string(a) == string(b)
}

// The record $1 is changed only while it is what was read, of which $2 is the SHA-256: somebody else may prepare the host as well. A record of
// hundreds of datasets is longer than a command may be.
const (
	unchanged = `sum=; [ ! -e "$1" ] || sum=$(sha256sum <"$1") || exit` + "\n" +
		`[ "${sum%% *}" = "$2" ] || { echo "somebody else prepares this host, too, and has written that down since it was read: do this again" >&2; exit 1; }`
	writeRecordScript = "umask 077\n" + `mkdir -p "$(dirname "$1")" || exit` + "\n" + unchanged + "\n" +
		`cat >"$1.new.$$" && mv -f "$1.new.$$" "$1"`
	removeRecordScript = unchanged + "\n" + `rm -f "$1" && { rmdir "$(dirname "$1")" 2>/dev/null || :; }`
)

// with is what was done, and these things.
func with(done []entry, things []Thing) []entry {
	done = slices.Clone(done)
	for _, t := range things {
		e := t.entry
		done = slices.DeleteFunc(done, func(x entry) bool { return x.equal(e) || e.Kind == didFile && x.Kind == didFile && x.Path == e.Path })
		done = append(done, e)
	}
	return done
}

// written says that the record has a file of ours of that content.
func (r record) written(path, sum string) bool {
	return slices.ContainsFunc(r.Done, func(x entry) bool { return x.Kind == didFile && x.Path == path && (x.Sum == sum || x.Was == sum) })
}

// forget takes out what is undone.
func (m *Machine) forget(ctx context.Context, t Thing) error {
	return m.writeRecord(ctx, slices.DeleteFunc(slices.Clone(m.record.Done), func(x entry) bool { return x.equal(t.entry) }))
}

func (m *Machine) writeRecord(ctx context.Context, done []entry) error {
	var err error
	sum := ""
	if len(done) == 0 {
		err = m.act(ctx, "", "", script(removeRecordScript, m.root+recordPath, m.recorded)...)
	} else {
		text, jsonErr := json.MarshalIndent(record{recordVersion, done}, "", "  ")
		if jsonErr != nil {
			return jsonErr
		}
		file := string(text) + "\n"
		sum = sumOf(file)
		err = m.act(ctx, "", file, script(writeRecordScript, m.root+recordPath, m.recorded)...)
	}
	if err != nil {
		return fmt.Errorf("write down what is done there: %w", err)
	}
	m.record, m.recorded = record{recordVersion, done}, sum
	return nil
}
