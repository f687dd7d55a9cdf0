package replica

import (
	"fmt"
	"strings"

	"nightshift/internal/live"
)

// GoesOn says whether the part of a stream that a replica holds may be gone on with: it brings a snapshot of this source.
func GoesOn(source *live.ZDataset, part live.ZPart) bool {
	return theSnapshot(source, part.GUID) != nil
}

// MayGo says whether such a part, where it cannot be gone on with, may be thrown away unasked: it is of a recovery point that the
// group made of this source. Anything else somebody else may be waiting for.
func MayGo(source *live.ZDataset, group string, part live.ZPart) bool {
	dataset, name, _ := strings.Cut(part.Snapshot, "@")
	if s := theSnapshot(source, part.GUID); s != nil { // the source may have been renamed
		dataset, name = source.Name, s.Name
	}
	of, _, is := ParsePoint(name)
	return dataset == source.Name && is && of == group
}

// NotOurs is the error for a part that is neither gone on with nor thrown away.
func NotOurs(source, target *live.ZDataset, group string, part live.ZPart) *NoBase {
	of := "a stream, and nobody can tell of what"
	if part.Snapshot != "" {
		of = fmt.Sprintf("a stream of %s, which is no recovery point of %s in group %s", part.Snapshot, source.Name, group)
	}
	return &NoBase{Why: Partial, Token: target.ResumeToken, Text: fmt.Sprintf("%s holds the part of %s: somebody else may be at it", target.Name, of),
		Choices: []string{"let whoever began it finish it", fmt.Sprintf("throw that part away (`zfs receive -A %s`)", target.Name), "give the group another place on the target"}}
}

func theSnapshot(d *live.ZDataset, guid uint64) *live.ZSnapshot {
	for i, s := range d.Snapshots {
		if s.GUID == guid {
			return &d.Snapshots[i]
		}
	}
	return nil
}
