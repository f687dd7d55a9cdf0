package replica

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

func TestWhoseThePartOfAStreamIs(t *testing.T) {
	source := &live.ZDataset{Name: "tank/mail", Snapshots: []live.ZSnapshot{{Name: "nightshift_mail_2026-11-21T09:00:00Z", GUID: 1}, {Name: "seed", GUID: 2}}}
	for name, test := range map[string]struct {
		part          live.ZPart
		goesOn, mayGo bool
	}{
		"a point":                          {live.ZPart{Snapshot: "tank/mail@nightshift_mail_2026-11-21T09:00:00Z", GUID: 1}, true, true},
		"a point, of the name it had":      {live.ZPart{Snapshot: "tank/post@nightshift_mail_2026-11-21T09:00:00Z", GUID: 1}, true, true},
		"a seed of the source":             {live.ZPart{Snapshot: "tank/mail@seed", GUID: 2}, true, false},
		"a point that is gone":             {live.ZPart{Snapshot: "tank/mail@nightshift_mail_2026-11-20T09:00:00Z", GUID: 3}, false, true},
		"a point of another group":         {live.ZPart{Snapshot: "tank/mail@nightshift_web_2026-11-20T09:00:00Z", GUID: 3}, false, false},
		"a seed that is gone":              {live.ZPart{Snapshot: "tank/mail@seed", GUID: 3}, false, false},
		"a point of another dataset":       {live.ZPart{Snapshot: "usb/mail@nightshift_mail_2026-11-20T09:00:00Z", GUID: 3}, false, false},
		"a token of which nothing is told": {live.ZPart{}, false, false},
	} {
		require.Equal(t, test.goesOn, GoesOn(source, test.part), name)
		require.Equal(t, test.mayGo, MayGo(source, "mail", test.part), name)
	}
	target := &live.ZDataset{Name: "backup/ss1/mail", ResumeToken: "1-ab"}
	require.EqualError(t, NotOurs(source, target, "mail", live.ZPart{Snapshot: "usb/mail@seed", GUID: 3}),
		"backup/ss1/mail holds the part of a stream of usb/mail@seed, which is no recovery point of tank/mail in group mail: somebody else may be at it. The choices: "+
			"let whoever began it finish it; or throw that part away (`zfs receive -A backup/ss1/mail`); or give the group another place on the target")
	require.ErrorContains(t, NotOurs(source, target, "mail", live.ZPart{}), "the part of a stream, and nobody can tell of what: ")
}
