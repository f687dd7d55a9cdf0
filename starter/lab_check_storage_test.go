package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/replica"
	"nightshift/internal/simlab"
	"nightshift/internal/simlab/storage"
)

// What a protection group names is looked at, as its first run would find it.
func TestLabCheckLooksAtProtectionGroups(t *testing.T) {
	sim, lab := simLab(t, simlab.StorageSpec())
	mail := &lab.ProtectionGroups[0]
	require.Equal(t, "mail", mail.Name)
	about := func() (found []checkRow) {
		for _, r := range checkEverything(t.Context(), lab) {
			if r.Subject == "group mail" {
				found = append(found, r)
			}
		}
		return found
	}
	require.Equal(t, []checkRow{{"group mail", "source on ss1", checkOK, "2 datasets", ""},
		{"group mail", "target on ss2", checkOK, "backup/ss1 is there, and no nightshift works on the group now", ""}}, about())

	mark := replica.Mark{By: "dr:/var/lib/nightshift", Run: "replicate-1", Since: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	exit := sim.StorageHost("ss2").Run(t.Context(), "root", []string{"zfs", "set", replica.MarkProperty("mail") + "=" + mark.Value(), "backup/ss1"}, storage.Streams{})
	require.Zero(t, exit)
	require.Equal(t, checkRow{"group mail", "target on ss2", checkWarn, "a nightshift works on it: dr:/var/lib/nightshift, with run replicate-1, since 2026-11-21 09:00:00 UTC",
		"if that nightshift is no more: zfs inherit nightshift:mark.mail backup/ss1"}, about()[1])

	was := mail.Source.Datasets
	mail.Source.Datasets = []string{"tank/mail", "tank/mail/spool", "tank/vms/web"}
	require.Equal(t, checkRow{"group mail", "target on ss2", checkFail, "not there: backup/ss1/vms, in which a replica is to lie", "make it: zfs create -p -o canmount=off backup/ss1/vms"}, about()[1])
	mail.Source.Datasets = was

	mail.Source.Datasets = append(mail.Source.Datasets, "tank/nope")
	mail.Target.Under = "backup/ss9"
	require.Equal(t, []checkRow{{"group mail", "source on ss1", checkFail, "not there: tank/nope", "correct source.datasets of the group"},
		{"group mail", "target on ss2", checkFail, "not there: backup/ss9", "nightshift lab prepare-storage makes it; or correct target.under"}}, about())

	mail.Source.Datasets = []string{"tonk/mail"}
	mail.Target.Under = "bakup/ss1"
	const imported = "import it, or correct the lab file"
	require.Equal(t, []checkRow{{"group mail", "source on ss1", checkFail, "pool tonk is not imported on ss1", imported},
		{"group mail", "target on ss2", checkFail, "pool bakup is not imported on ss2", imported}}, about())
}

func TestLabCheckTellsOfAWrongClock(t *testing.T) {
	sim, lab := simLab(t, simlab.StorageSpec())
	sim.StorageHost("ss2").SetClock(-30 * time.Hour)
	require.Contains(t, checkEverything(t.Context(), lab), checkRow{"storage host ss2", "clock", checkWarn, "its clock is 30 h behind nightshift's",
		"have both set by NTP: with that, prune destroys nothing"})
}
