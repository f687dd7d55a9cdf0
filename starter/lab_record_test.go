package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/identity"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/simlab"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
)

// A recordRig is a simulated lab whose group mail has an identity record on ss2, and a console without a lab file.
type recordRig struct {
	*console
	t      *testing.T
	lab    *inventory.Lab
	sim    *simlab.Lab
	store  *identity.Store
	record identity.Record
}

func newRecordRig(t *testing.T) *recordRig {
	t.Helper()
	sim, lab := simLab(t, simlab.StorageSpec())
	ss2, _ := lab.StorageHost("ss2")
	login, err := sshexec.Resolve(t.Context(), "ss2", ss2.SSH, lab.Dir)
	require.NoError(t, err)
	client, err := sshexec.Dial(t.Context(), login)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	ss1, _ := lab.StorageHost("ss1")
	g, _ := lab.ProtectionGroup("mail")
	r := identity.Record{Lab: "storage", Group: "mail", Run: "replicate-1", Made: time.Date(2026, 11, 21, 13, 40, 19, 0, time.UTC), Protection: *g, Source: *ss1, Target: *ss2,
		Datasets: []identity.Dataset{{Name: "tank/mail", Replica: "backup/ss1/mail", GUID: 1, Volume: true}, {Name: "tank/mail-log", Replica: "backup/ss1/mail-log", GUID: 2, Volume: true}},
		VCenters: []identity.VCenter{{URL: "https://vc", Occupants: live.Occupants{VCenter: "vc1", Guests: []live.Occupant{{Name: "mail01", Power: "poweredOn", NICs: []live.OccupantNIC{{MAC: "00:50:56:aa:bb:cc", Network: "LAN", VLAN: "12"}}}}}}}}
	store := identity.NewStore(zfs.New("ss2", zfs.OverSSH(client)), client)
	require.NoError(t, store.SaveFile(t.Context(), r))
	require.NoError(t, store.SetProperties(t.Context(), r, []string{"backup/ss1"}))
	return &recordRig{console: importer(t), t: t, lab: lab, sim: sim, store: store, record: r}
}

// at is how ss2 is named where there is no lab file.
func (r *recordRig) at() []string {
	ss2, _ := r.lab.StorageHost("ss2")
	return []string{"zfsadm@" + ss2.SSH.Address, "--key", ss2.SSH.Key, "--host-key", ss2.SSH.HostKey}
}

func TestALabFileFromTheRecordsOfAHost(t *testing.T) {
	r := newRecordRig(t)
	args := append([]string{"lab", "import", "--from-record"}, r.at()...)
	require.Equal(t, exitRefused, r.run(args[:6]...), "nobody can be asked about the host key")
	require.Contains(t, r.stderr.String(), "give --host-key SHA256:")
	require.Equal(t, exitRefused, r.run(append(args[:6:6], "--host-key", "SHA256:other")...))
	require.Contains(t, r.stderr.String(), "shows another host key")
	require.NoFileExists(t, "lab.yaml")
	r.answer("yes\n")
	require.Equal(t, exitDone, r.run(append(args[:6:6], "--out", "asked.yaml")...), r.stderr)

	require.Equal(t, exitDone, r.run(args...), r.stderr)
	require.Contains(t, r.stdout.String(), "Wrote lab.yaml: lab storage, 2 storage hosts, ")
	require.Contains(t, r.stdout.String(), "nightshift lab record zfsadm@")
	lab, err := inventory.Load("lab.yaml")
	require.NoError(t, err)
	require.Empty(t, lab.VCenters, "what is on this side no record knows")
	require.Empty(t, lab.Hosts)
	got, ok := lab.ProtectionGroup("mail")
	require.True(t, ok)
	want, _ := r.lab.ProtectionGroup("mail")
	require.Equal(t, want, got)
	ss2, _ := lab.StorageHost("ss2")
	was, _ := r.lab.StorageHost("ss2")
	require.Equal(t, was.SSH.Address, ss2.SSH.Address)
	require.Equal(t, was.SSH.HostKey, ss2.SSH.HostKey)
	text, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	require.Contains(t, string(text), "properties of backup/ss1")
	require.Contains(t, string(text), "#   - name: mail01")
	for _, secret := range r.sim.Secrets() {
		require.NotContains(t, string(text), secret)
	}

	require.Equal(t, exitDone, r.run("lab", "record", "ss2"), r.stderr)
	require.Contains(t, r.stdout.String(), "Identity record of group mail, lab storage")
	require.Contains(t, r.stdout.String(), "network     00:50:56:aa:bb:cc, LAN, VLAN 12")
	require.Contains(t, r.stdout.String(), "from        ss2: ~/.nightshift/records/storage.mail.json")
	require.Equal(t, exitDone, r.run("lab", "record", "ss2", "-o", "json", "--group", "mail"), r.stderr)
	var list []identity.Record
	require.NoError(t, json.Unmarshal(r.stdout.Bytes(), &list))
	require.Equal(t, []identity.Record{r.record}, list)
	require.Equal(t, exitFailed, r.run("lab", "record", "ss2", "--group", "web"))
	require.Contains(t, r.stderr.String(), "no identity record of group web")
}

// The newest copy that is whole counts, and what is damaged is told.
func TestDamagedAndOlderRecords(t *testing.T) {
	r := newRecordRig(t)
	newer := r.record
	newer.Run, newer.Made = "replicate-2", r.record.Made.Add(time.Hour)
	require.NoError(t, r.store.SaveFile(t.Context(), newer))
	show := append([]string{"lab", "record"}, r.at()...)
	require.Equal(t, exitDone, r.run(show...), r.stderr)
	require.Contains(t, r.stdout.String(), "by run replicate-2")
	require.Contains(t, r.stdout.String(), "older       "+r.at()[0]+": properties of backup/ss1")

	const file = ".nightshift/records/storage.mail.json"
	host := r.sim.StorageHost("ss2")
	host.SetFile(file, []byte(strings.Replace(string(host.File(file)), "00:50:56", "00:50:57", 1)))
	require.Equal(t, exitDone, r.run(show...), r.stderr)
	require.Contains(t, r.stdout.String(), "by run replicate-1", "the properties have it")
	require.Contains(t, r.stderr.String(), "storage.mail.json is not used: the identity record is damaged: its SHA-256 is")
	require.Equal(t, exitDone, r.run(append(append([]string{"lab", "import", "--from-record"}, r.at()...), "--out", "x.yaml")...), r.stderr)
	text, err := os.ReadFile("x.yaml")
	require.NoError(t, err)
	require.Contains(t, strings.ReplaceAll(string(text), "\n#   ", " "), "storage.mail.json: the identity record is damaged")

	damaged := string(host.File(file))
	require.NoError(t, os.WriteFile("mail.json", []byte(damaged), 0o600))
	require.Equal(t, exitFailed, r.run("lab", "record", "mail.json"))
	require.Contains(t, r.stderr.String(), "no identity record can be used: mail.json: the identity record is damaged")
	require.Equal(t, exitFailed, r.run("lab", "import", "--from-record", "mail.json"))
	whole, _, err := identity.Seal(newer)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("mail.json", whole, 0o600))
	require.Equal(t, exitDone, r.run("lab", "import", "--from-record", "mail.json", "--name", "dr"), r.stderr)
	lab, err := inventory.Load("lab.yaml")
	require.NoError(t, err)
	require.Equal(t, "dr", lab.Lab)
}

func TestRecordsSayWhatIsWrong(t *testing.T) {
	c := importer(t)
	for args, want := range map[string]string{
		"lab record":                                     "requires at least 1 arg",
		"lab record ss9":                                 "say as whom to log in: zfsadm@ss9",
		"lab record zfsadm@ss9:1:2:x":                    "",
		"lab record none.json":                           "there is no file none.json",
		"lab record zfsadm@127.0.0.1:1":                  "127.0.0.1:1",
		"lab import --from-record a@b --vcenter vc":      "do not go with it",
		"lab import --from-record ./none":                "there is no file ./none",
		"lab import --from-record none.json --name Lab!": "--name",
	} {
		require.NotEqual(t, exitDone, c.run(strings.Fields(args)...), args)
		require.Contains(t, c.stderr.String(), want, args)
	}
	require.NoFileExists(t, "lab.yaml")
}
