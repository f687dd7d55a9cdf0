package iscsi_test

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/sshexec"
)

// A scripted host answers commands by the longest beginning that it knows, and keeps those that act.
type scripted struct {
	testing.TB
	answers map[string]string
	acted   []string
	after   map[string]string // what it answers once something was done
	inputs  []string
}

func (s *scripted) Query(_ context.Context, argv []string) (sshexec.Result, error) {
	line := strings.Join(argv, " ")
	if argv[0] == "sh" {
		line = strings.Join(argv[4:], " ")
	}
	for beginning, out := range s.answers {
		if strings.HasPrefix(line, beginning) {
			return sshexec.Result{Stdout: []byte(out)}, nil
		}
	}
	return sshexec.Result{Status: 1, Stderr: []byte("stmfadm: STMF service not found\n")}, nil
}

func (s *scripted) Act(_ context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	s.acted = append(s.acted, strings.Join(argv, " "))
	in, err := io.ReadAll(stdin)
	require.NoError(s, err)
	s.inputs = append(s.inputs, string(in))
	maps.Copy(s.answers, s.after)
	return sshexec.Result{}, nil
}

func pfexec(argv []string) []string { return append([]string{"pfexec"}, argv...) }

func comstarHost(t testing.TB, change map[string]string) *scripted {
	h := &scripted{TB: t, answers: map[string]string{}}
	for command, file := range map[string]string{
		"stmfadm list-lu -v": "list-lu", "stmfadm list-view -l 600144F721DCA2888BA402E411EE3AF1": "list-view", "stmfadm list-hg -v": "list-hg",
		"stmfadm list-tg -v": "list-tg", "stmfadm list-target -v": "list-target", "itadm list-target -v": "itadm-list-target",
		"itadm list-tpg -v": "itadm-list-tpg", "itadm list-initiator -v": "itadm-list-initiator",
	} {
		h.answers["pfexec "+command] = string(fixture(t, "comstar/"+file+".txt"))
	}
	for command, out := range change {
		h.answers["pfexec "+command] = out
	}
	return h
}

const (
	vm109     = "600144f721dca2888ba402e411ee3af1"
	pool1     = "iqn.2010-08.org.illumos:stmf-ha:pool1"
	esx40     = "iqn.1998-01.com.vmware:esx40u1-5da6606e"
	oldTarget = "iqn.1986-03.com.sun:02:0f4dd5c6-1dd2-11b2-a7c6-001b21000000.ss1-zstore0"
)

func no() *bool { b := false; return &b }

func TestCOMSTARIsRead(t *testing.T) {
	l, err := iscsi.NewCOMSTAR(comstarHost(t, nil), pfexec, false).List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []iscsi.LU{{Name: vm109, Device: "/dev/zvol/rdsk/pool1/vm-109-disk-1", State: iscsi.Online, Saved: true,
		Identity: iscsi.Identity{NAA: vm109, Vendor: "SUN", Product: "COMSTAR", LogicalBlock: 512, Size: 6442450944, WriteCache: no()},
		Paths: []iscsi.Path{{Target: pool1, Group: 1, Enabled: true, LUN: 3,
			ACLs: []iscsi.ACL{{Initiator: esx40, LUN: 3, Session: &iscsi.Session{LoggedIn: true}}}}},
	}}, l.LUs)
	require.Equal(t, "pool1/vm-109-disk-1", iscsi.Volume(l.LUs[0].Device))
	require.Empty(t, l.Remarks)

	l, err = iscsi.NewCOMSTAR(comstarHost(t, map[string]string{"stmfadm list-view -l 600144F721DCA2888BA402E411EE3AF1": string(fixture(t, "comstar/list-view-all.txt"))}), pfexec, false).List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []iscsi.Path{{Target: pool1, Group: 1, Enabled: true, Open: true}}, l.LUs[0].Paths, "a Fibre Channel target is none of ours")
	require.Equal(t, []string{pool1 + " shows " + vm109 + " to every initiator"}, l.Remarks)
}

// An alias may be anything: where the data file is not told, nobody knows on which zvol it is, and it counts as being on each.
func TestCOMSTARDoesNotTellTheDataFile(t *testing.T) {
	const path = ": /dev/zvol/rdsk/pool1/vm-109-disk-1"
	told := string(fixture(t, "comstar/list-lu.txt"))
	standby := strings.Replace(told, "Data File         "+path, "Data File         : prop unavailable in standby", 1)
	require.NotEqual(t, told, standby)
	for alias, open := range map[string]int{path: 0, ": vol1": 1, ": not set": 1} {
		h := comstarHost(t, map[string]string{"stmfadm list-lu -v": strings.Replace(standby, path, alias, 1)})
		l, err := iscsi.NewCOMSTAR(h, pfexec, false).List(t.Context())
		require.NoError(t, err, alias)
		require.Len(t, l.OpenLUNs("pool1/other"), open, alias)
		require.Len(t, l.OpenLUNs("pool1/vm-109-disk-1"), 1, alias)
	}
}

// Solaris 11 gives LUN numbers by itself and says "Auto". One such view takes nothing from the rest; what ESXi compares is then not known.
func TestALUNNumberThatIsNotTold(t *testing.T) {
	const listView = "stmfadm list-view -l 600144F721DCA2888BA402E411EE3AF1"
	told := string(fixture(t, "comstar/list-view.txt"))
	auto := strings.NewReplacer(": 3", ": Auto", "Host group  ", "Host Group  ").Replace(told)
	target := iscsi.NewCOMSTAR(comstarHost(t, map[string]string{listView: auto}), pfexec, true)
	l, err := target.List(t.Context())
	require.NoError(t, err)
	require.Len(t, l.LUs, 1)
	lu := l.LUs[0]
	require.True(t, lu.Paths[0].NoLUN)
	require.Equal(t, []string{pool1 + " shows " + vm109 + " under a LUN number that it gave by itself and does not tell"}, l.Remarks)
	in, _ := lu.Sessions()
	require.Equal(t, []string{esx40}, in, "who uses it is known")
	id := lu.Seen()
	require.True(t, id.NoLUN)
	require.Equal(t, []string{"its LUN number is not known, which ESXi compares"}, iscsi.Expressible(iscsi.LIO, id), "it cannot be published elsewhere")
	want := id
	want.LUN, want.NoLUN = 0, false
	require.Equal(t, []string{"LUN number: 0 is wanted, it is not known"}, iscsi.Words(iscsi.Diff(want, id)))
	require.Empty(t, iscsi.Diff(id, want), "what is not wanted is not compared")

	record := iscsi.NewRecord(iscsi.COMSTAR, lu, nil)
	require.True(t, record.Identity.NoLUN && record.Paths[0].NoLUN)
	b, err := record.Marshal()
	require.NoError(t, err)
	back, err := iscsi.ParseRecord(b)
	require.NoError(t, err)
	require.Equal(t, record, back)

	p := publication("/dev/zvol/pool1/vm-109-disk-1")
	p.Target, p.Identity.NAA, p.Identity.LUN, p.Grants = pool1, vm109, 0, []iscsi.Grant{{Initiator: esx40}}
	_, err = target.Plan(t.Context(), p)
	require.ErrorContains(t, err, "it is shown already: host group esx, target group pool1, LUN not known")
	_, err = target.PlanUnpublish(t.Context(), vm109, false)
	require.ErrorContains(t, err, "initiators are logged in")

	both := auto + strings.Replace(told, "View Entry: 0", "View Entry: 1", 1)
	l, err = iscsi.NewCOMSTAR(comstarHost(t, map[string]string{listView: both}), pfexec, true).List(t.Context())
	require.NoError(t, err)
	id = l.LUs[0].Seen()
	require.Equal(t, []any{uint16(3), false}, []any{id.LUN, id.NoLUN}, "one number is told")
}

func TestCOMSTARPortalGroupsAndCHAP(t *testing.T) {
	out := strings.NewReplacer("none (defaults)", "chap ", "default\n", "2 = 2,lan = 5\n").Replace(string(fixture(t, "comstar/itadm-list-target.txt")))
	l, err := iscsi.NewCOMSTAR(comstarHost(t, map[string]string{"itadm list-target -v": out}), pfexec, false).List(t.Context())
	require.NoError(t, err)
	paths := l.LUs[0].Paths
	require.Len(t, paths, 2)
	require.Equal(t, []any{uint16(2), []string{"10.0.0.1:3260", "10.0.0.2:3260"}, uint16(5)}, []any{paths[0].Group, paths[0].Portals, paths[1].Group})
	require.True(t, paths[0].ACLs[0].CHAP)
	require.Equal(t, "labuser", paths[0].ACLs[0].User)
	require.Empty(t, paths[0].ACLs[0].MutualUser)

	out = strings.NewReplacer("targetchapuser:     	-", "targetchapuser:     	ds1", "unset", "set").Replace(out)
	l, err = iscsi.NewCOMSTAR(comstarHost(t, map[string]string{"itadm list-target -v": out}), pfexec, false).List(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ds1", l.LUs[0].Paths[0].ACLs[0].MutualUser)
}

// Output of a newer tool, or of one that failed half way, is one clear error.
func TestWhatIsNotUnderstood(t *testing.T) {
	for command, out := range map[string]string{
		"stmfadm list-lu -v": "LU: 600144F721DCA2888BA402E411EE3AF1\n",
		"stmfadm list-view -l 600144F721DCA2888BA402E411EE3AF1": "View Entry: 0\n    LUN          : three\n",
		"stmfadm list-hg -v":      "Member: x\n",
		"itadm list-target -v":    "\tauth: none\n",
		"itadm list-tpg -v":       "a b c d\n",
		"itadm list-initiator -v": "iqn.x perhaps\n",
	} {
		_, err := iscsi.NewCOMSTAR(comstarHost(t, map[string]string{command: out}), pfexec, false).List(t.Context())
		require.ErrorIs(t, err, fault.Unsupported, command)
		require.ErrorContains(t, err, strings.Join(strings.Fields(command)[:2], " "))
	}
	_, err := iscsi.NewCOMSTAR(&scripted{TB: t}, pfexec, false).List(t.Context())
	require.ErrorIs(t, err, fault.NotFound)
}

func TestCOMSTARIsPlannedToTheLastCommand(t *testing.T) {
	p := publication("/dev/zvol/pool1/mail")
	p.Group, p.Portals = 3, []string{"10.0.0.1:3260"}
	h := comstarHost(t, nil)
	target := iscsi.NewCOMSTAR(h, pfexec, false)
	commands, err := target.Plan(t.Context(), p)
	require.NoError(t, err)
	var lines []string
	for _, c := range commands {
		lines = append(lines, c.String())
	}
	require.Equal(t, []string{
		"pfexec stmfadm create-lu -p guid=" + sunGUID + " -p alias=vol1 -p vid=SUN -p pid=COMSTAR -p blk=512 /dev/zvol/rdsk/pool1/mail",
		`sh -c 'umask 077; f=$(mktemp) || exit 1; trap "rm -f \"\$f\"" EXIT; cat >"$f" && "$@" -S "$f" "$0"' ` + esx1 +
			" pfexec itadm create-initiator -u labuser <<< the CHAP secret of " + esx1,
		"pfexec itadm create-tpg 3 10.0.0.1:3260",
		"pfexec itadm create-target -n " + iqn + " -a chap -t 3",
		"pfexec stmfadm create-hg nightshift-vol1",
		"pfexec stmfadm add-hg-member -g nightshift-vol1 " + esx1,
		"pfexec stmfadm create-tg nightshift-vol1",
		"pfexec stmfadm offline-target " + iqn,
		"pfexec stmfadm add-tg-member -g nightshift-vol1 " + iqn,
		"pfexec stmfadm online-target " + iqn,
		"pfexec stmfadm add-view -h nightshift-vol1 -t nightshift-vol1 -n 3 600144F07ED404000000496FF8CD0003",
	}, lines)

	_, err = target.Publish(t.Context(), p)
	require.ErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, "unproven: accept")
	require.ErrorContains(t, err, lines[0])
	require.NotContains(t, err.Error(), secret)
	require.Empty(t, h.acted)

	_, err = iscsi.NewCOMSTAR(h, pfexec, true).Publish(t.Context(), p)
	require.NoError(t, err)
	require.Len(t, h.acted, len(lines))
	require.Equal(t, secret, h.inputs[1], "over standard input, and nowhere else")
	require.NotContains(t, strings.Join(h.acted, "\n"), secret)
}

// The file that holds the secret is gone when the command has ended, and was nobody else's.
func TestTheSecretsFile(t *testing.T) {
	p := publication("/dev/zvol/pool1/mail")
	commands, err := iscsi.NewCOMSTAR(comstarHost(t, nil), func(argv []string) []string {
		if argv[0] == "itadm" && argv[1] == "create-initiator" {
			return []string{"sh", "-c", `for f; do case $f in /tmp/*) stat -c %a "$f"; cat "$f"; echo; echo "$f";; esac; done; echo "$@"`, "sh"}
		}
		return pfexec(argv)
	}, true).Plan(t.Context(), p)
	require.NoError(t, err)
	t.Setenv("TMPDIR", "/tmp")
	res := run(t, commands[1].Argv, secret)
	lines := strings.Split(strings.TrimSpace(res), "\n")
	require.Equal(t, "600", lines[0])
	require.Equal(t, secret, lines[1])
	require.NoFileExists(t, lines[2])
	require.Equal(t, "-S "+lines[2]+" "+esx1, lines[3])
}

// An initiator that is known already gets its secret anew: what it was is never told.
func TestAKnownInitiator(t *testing.T) {
	p := publication("/dev/zvol/pool1/mail")
	p.Grants[0].Initiator = esx40
	commands, err := iscsi.NewCOMSTAR(comstarHost(t, nil), pfexec, true).Plan(t.Context(), p)
	require.NoError(t, err)
	require.Contains(t, commands[1].String(), "itadm modify-initiator")
	require.NotContains(t, commands[4].String(), "create-hg", "its host group is that of itself alone")
}

func TestWhatIsInTheWayOfCOMSTAR(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *iscsi.Publication)
		says   string
	}{
		"another on that zvol": {func(p *iscsi.Publication) { p.Device = "/dev/zvol/pool1/vm-109-disk-1" }, "delete it first"},
		"with another identity": {func(p *iscsi.Publication) {
			p.Device, p.Identity.NAA = "/dev/zvol/pool1/vm-109-disk-1", vm109
			p.Identity.Product = "OTHER"
		},
			`product: "OTHER" is wanted, it is "COMSTAR"`},
		"another authentication": {func(p *iscsi.Publication) { p.Target = pool1 }, "with authentication none, not chap"},
		"sessions":               {func(p *iscsi.Publication) { p.Target, p.Grants[0].CHAP = pool1, nil; p.Grants[0].Initiator = esx40 }, ""},
		"a group with others": {func(p *iscsi.Publication) {
			p.Grants = append(p.Grants, iscsi.Grant{Initiator: esx40, CHAP: p.Grants[0].CHAP})
		}, "an initiator can be in one group only"},
		"mutual CHAP": {func(p *iscsi.Publication) {
			p.Grants[0].CHAP.MutualUser, p.Grants[0].CHAP.MutualSecret = "t", inventory.NewSecret("the targets own 3")
		}, "one secret per target"},
	} {
		p := publication("/dev/zvol/pool1/mail")
		c.change(&p)
		_, err := iscsi.NewCOMSTAR(comstarHost(t, nil), pfexec, true).Plan(t.Context(), p)
		if c.says == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.says, name)
		require.ErrorIs(t, err, fault.NotDone, name)
	}
}

// Whoever ended half way, a person or a run, finds what is left to do; what others use is left alone.
func TestCOMSTARGoesOnWhereItEnded(t *testing.T) {
	const ours, esxThere = "nightshift-vol1", "iqn.1998-01.com.vmware:esx9"
	targets := string(fixture(t, "comstar/list-target.txt"))
	there := "Target: " + iqn + "\n    Operational Status: Online\n    Provider Name     : iscsit\n    Protocol          : iSCSI\n    Sessions          : 0\n"
	auth := string(fixture(t, "comstar/itadm-list-target.txt")) + iqn + "   online   0\n\tauth:   \tchap \n\ttpg-tags:   \tdefault\n"
	const all = "create-lu create-initiator create-initiator create-target create-hg add-hg-member add-hg-member create-tg offline-target add-tg-member online-target add-view"
	for name, c := range map[string]struct {
		change map[string]string
		takes  string
		says   string
	}{
		"from the beginning":       {takes: all},
		"a host group without any": {change: map[string]string{"stmfadm list-hg -v": "Host Group: " + ours + "\n"}, takes: strings.Replace(all, "create-hg ", "", 1)},
		"a host group with one": {change: map[string]string{"stmfadm list-hg -v": "Host Group: " + ours + "\n\tMember: " + esx1 + "\n"},
			takes: strings.Replace(all, "create-hg add-hg-member ", "", 1)},
		"a host group with a stranger": {change: map[string]string{"stmfadm list-hg -v": "Host Group: " + ours + "\n\tMember: " + esxThere + "\n"}, says: "others would see the LUN"},
		"a host group that sees another": {change: map[string]string{"stmfadm list-hg -v": "Host Group: " + ours + "\n\tMember: " + esx1 + "\n",
			"stmfadm list-view -l 600144F721DCA2888BA402E411EE3AF1": strings.Replace(string(fixture(t, "comstar/list-view.txt")), ": esx", ": "+ours, 1)}, says: "others would see the LUN"},
		"a target group without any":     {change: map[string]string{"stmfadm list-tg -v": "Target Group: " + ours + "\n"}, takes: strings.Replace(all, "create-tg ", "", 1)},
		"a target group with a stranger": {change: map[string]string{"stmfadm list-tg -v": "Target Group: " + ours + "\n\tMember: " + pool1 + "\n"}, says: "target group " + ours + " has " + pool1},
		"a target":                       {change: map[string]string{"stmfadm list-target -v": targets + there, "itadm list-target -v": auth}, takes: strings.Replace(all, "create-target ", "", 1)},
		"a target that is offline": {change: map[string]string{"stmfadm list-target -v": targets + strings.Replace(there, "Online", "Offline", 1), "itadm list-target -v": auth},
			says: "the target " + iqn + " is offline"},
	} {
		p := publication("/dev/zvol/pool1/mail")
		p.Grants = append(p.Grants, iscsi.Grant{Initiator: esx2, CHAP: p.Grants[0].CHAP})
		commands, err := iscsi.NewCOMSTAR(comstarHost(t, c.change), pfexec, true).Plan(t.Context(), p)
		if c.says != "" {
			require.ErrorContains(t, err, c.says, name)
			require.ErrorIs(t, err, fault.State, name)
			continue
		}
		require.NoError(t, err, name)
		var verbs []string
		for _, command := range commands {
			verbs = append(verbs, command.Argv[slices.IndexFunc(command.Argv, func(w string) bool { return w == "stmfadm" || w == "itadm" })+1])
		}
		require.Equal(t, c.takes, strings.Join(verbs, " "), name)
	}
}

func TestCOMSTARUnpublish(t *testing.T) {
	target := iscsi.NewCOMSTAR(comstarHost(t, nil), pfexec, true)
	_, err := target.PlanUnpublish(t.Context(), vm109, false)
	require.ErrorIs(t, err, fault.State)
	require.ErrorContains(t, err, esx40)
	commands, err := target.PlanUnpublish(t.Context(), vm109, true)
	require.NoError(t, err)
	require.Equal(t, "pfexec stmfadm remove-view -l 600144F721DCA2888BA402E411EE3AF1 -a", commands[0].String())
	require.Equal(t, "pfexec stmfadm delete-lu 600144F721DCA2888BA402E411EE3AF1", commands[1].String())
	commands, err = target.PlanUnpublish(t.Context(), sunGUID, false)
	require.NoError(t, err)
	require.Empty(t, commands)
}

// What is so already is not done again, though COMSTAR names a logical unit by its GUID, and its device and portals otherwise.
func TestCOMSTARIsPublishedOnce(t *testing.T) {
	p := publication("/dev/zvol/pool1/vm-109-disk-1")
	p.Target, p.Identity.NAA = pool1, vm109
	p.Grants = []iscsi.Grant{{Initiator: esx40}}
	h := comstarHost(t, map[string]string{"stmfadm list-lu -v": ""})
	h.after = map[string]string{"pfexec stmfadm list-lu -v": string(fixture(t, "comstar/list-lu.txt"))}
	target := iscsi.NewCOMSTAR(h, pfexec, true)
	done, err := iscsi.Ensure(t.Context(), target, p)
	require.NoError(t, err)
	require.Len(t, done, 2, "logical unit and view")
	done, err = iscsi.Ensure(t.Context(), target, p)
	require.NoError(t, err)
	require.Empty(t, done)

	l, err := target.List(t.Context())
	require.NoError(t, err)
	_, err = iscsi.Differs(l, p)
	require.ErrorIs(t, err, fault.Unsupported)

	p.ReadOnly = true
	_, err = iscsi.Ensure(t.Context(), target, p)
	require.ErrorContains(t, err, "write protection is not true")
	p.ReadOnly = false
	h.answers["pfexec stmfadm list-lu -v"] = strings.Replace(h.answers["pfexec stmfadm list-lu -v"], "Online", "Offline", 1)
	_, err = iscsi.Ensure(t.Context(), target, p)
	require.ErrorContains(t, err, "it is offline")

	delete(h.after, "pfexec stmfadm list-lu -v")
	h.answers["pfexec stmfadm list-lu -v"] = ""
	_, err = iscsi.Ensure(t.Context(), target, p)
	require.ErrorContains(t, err, "was published, and yet: pfexec stmfadm create-lu")
	require.NotErrorIs(t, err, fault.NotDone)
	h.after["pfexec stmfadm list-lu -v"] = strings.Replace(string(fixture(t, "comstar/list-lu.txt")), "COMSTAR", "OTHER", 1)
	_, err = iscsi.Ensure(t.Context(), target, p)
	require.ErrorContains(t, err, `was published, and yet: publish vol1: the logical unit `+vm109)
	require.NotErrorIs(t, err, fault.NotDone, "it was done")
}

// A secret cannot be compared: that it would be given anew is no difference, that there is none is.
func TestSecretsOfCOMSTARAreNoDifference(t *testing.T) {
	p := publication("/dev/zvol/pool1/vm-109-disk-1")
	p.Target, p.Identity.NAA, p.Grants[0].Initiator = pool1, vm109, esx40
	auth := strings.Replace(string(fixture(t, "comstar/itadm-list-target.txt")), "none (defaults)", "chap ", 1)
	initiators := string(fixture(t, "comstar/itadm-list-initiator.txt"))
	for name, c := range map[string]struct {
		initiators string
		does       int
	}{
		"set":          {initiators, 0},
		"unset":        {strings.Replace(initiators, " set ", " unset ", 1), 1},
		"another user": {strings.Replace(initiators, "labuser", "other", 1), 1},
		"none":         {"", 1},
	} {
		h := comstarHost(t, map[string]string{"itadm list-target -v": auth, "itadm list-initiator -v": c.initiators})
		h.after = map[string]string{"pfexec itadm list-initiator -v": initiators}
		done, err := iscsi.Ensure(t.Context(), iscsi.NewCOMSTAR(h, pfexec, true), p)
		require.NoError(t, err, name)
		require.Len(t, done, c.does, name)
	}
}

func iscsitgtHost(t testing.TB) *scripted {
	return &scripted{TB: t, answers: map[string]string{
		"pfexec svccfg export iscsitgt":   string(fixture(t, "iscsitgt/export.xml")),
		"pfexec iscsitadm list target -v": string(fixture(t, "iscsitgt/list-target.txt")),
	}}
}

func TestTheDocumentsTargetIsRead(t *testing.T) {
	l, err := iscsi.NewIscsitgt(iscsitgtHost(t), pfexec, false).List(t.Context())
	require.NoError(t, err)
	require.Len(t, l.LUs, 2)
	lu := l.LUs[0]
	require.Equal(t, iscsi.LU{Name: "dr-zstore0/0", Device: "/dev/zvol/rdsk/sp2/iscsi/lun0", State: iscsi.Online, Saved: true,
		Identity: iscsi.Identity{NAA: sunGUID, Vendor: "SUN", Product: "SOLARIS", LogicalBlock: 512, Size: 10 << 30},
		Paths: []iscsi.Path{{Target: oldTarget, Group: 1, Enabled: true, Portals: []string{"10.10.0.1", "10.10.0.2"}, ACLs: []iscsi.ACL{
			{Initiator: "iqn.1998-01.com.vmware:vh0.0", Session: &iscsi.Session{LoggedIn: true}},
			{Initiator: "iqn.1998-01.com.vmware:vh1.0", CHAP: true, User: "vh1", Session: &iscsi.Session{}}}}}}, lu)
	require.Empty(t, l.LUs[1].Identity.NAA, "it is made up when first used")
	require.Equal(t, []iscsi.LU{lu}, l.OpenLUNs("sp2"))

	_, err = iscsi.NewIscsitgt(&scripted{TB: t, answers: map[string]string{"pfexec svccfg": "<service_bundle>"}}, pfexec, false).List(t.Context())
	require.ErrorIs(t, err, fault.Unsupported)
}

// CHAP secrets are cut out on the host.
func TestPasswordsDoNotLeaveTheHost(t *testing.T) {
	exported := string(fixture(t, "iscsitgt/export.xml"))
	group := regexp.MustCompile(`(?s) *<property_group name='passwords'.*?</property_group>\n`).FindString(exported)
	require.NotEmpty(t, group)
	first := "    <property_group name='target_dr-zstore0'"
	for name, text := range map[string]string{
		"as it is":         exported,
		"the first of all": strings.Replace(strings.Replace(exported, group, "", 1), first, group+first, 1),
		"empty":            strings.Replace(strings.Replace(exported, group, "", 1), first, "    <property_group name='passwords' type='application'/>\n"+first, 1),
		"in other quotes":  strings.Replace(exported, "'passwords'", `"passwords"`, 1),
	} {
		file := filepath.Join(t.TempDir(), "export.xml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		var argv []string
		probe := probeRunner(func(a []string) { argv = a })
		_, err := iscsi.NewIscsitgt(probe, func([]string) []string { return []string{"cat", file} }, false).List(t.Context())
		require.Error(t, err)
		out := run(t, argv, "")
		require.Contains(t, out, "target_dr-zstore0", name)
		require.Contains(t, out, "param_dr-zstore0_1", name)
		require.Contains(t, out, "</service_bundle>", name)
		require.NotContains(t, out, "bm90IGZvciBhbnlib2R5", name)
	}
}

func TestTheDocumentsTargetIsPlanned(t *testing.T) {
	p := publication("/dev/zvol/sp1/iscsi/clones/lun0")
	p.Name, p.Grants, p.Portals = "dr-zstore9", []iscsi.Grant{{Initiator: "iqn.1998-01.com.vmware:vh0.0"}, {Initiator: esx1}}, []string{"10.20.0.1:3260"}
	p.Group, p.Identity.LUN, p.Identity.NAA, p.Identity.Product = 2, 0, vm109, "SOLARIS"
	h := iscsitgtHost(t)
	target := iscsi.NewIscsitgt(h, pfexec, false)
	commands, err := target.Plan(t.Context(), p)
	require.NoError(t, err)
	var lines []string
	for _, c := range commands {
		lines = append(lines, strings.TrimPrefix(c.String(), "pfexec "))
	}
	require.Equal(t, []string{
		"iscsitadm create tpgt 2",
		"iscsitadm modify tpgt -i 10.20.0.1 2",
		"iscsitadm create initiator --iqn " + esx1 + " " + esx1,
		"iscsitadm create target -n " + iqn + " -u 0 -t raw -b /dev/zvol/rdsk/sp1/iscsi/clones/lun0 dr-zstore9",
		"iscsitadm modify target --acl vh0.0 dr-zstore9",
		"iscsitadm modify target --acl " + esx1 + " dr-zstore9",
		"iscsitadm modify target -p 2 dr-zstore9",
		"svcadm disable -s iscsitgt",
		`svccfg -s iscsitgt setprop param_dr-zstore9_0/guid = astring: '"` + vm109 + `"'`,
		`svccfg -s iscsitgt setprop param_dr-zstore9_0/vid = astring: '"SUN"'`,
		`svccfg -s iscsitgt setprop param_dr-zstore9_0/pid = astring: '"SOLARIS"'`,
		"svcadm refresh iscsitgt",
		"svcadm enable -s iscsitgt",
	}, lines)

	_, err = target.Publish(t.Context(), p)
	require.ErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, "unproven: accept")
	require.Empty(t, h.acted)
	_, err = iscsi.NewIscsitgt(h, pfexec, true).Publish(t.Context(), p)
	require.NoError(t, err)
	require.Len(t, h.acted, len(lines))

	p.Identity.LUN = 3
	_, err = target.Plan(t.Context(), p)
	require.ErrorContains(t, err, "begins with LUN 0")
	p.Grants[0].CHAP, p.Grants[1].CHAP = publication("").Grants[0].CHAP, publication("").Grants[0].CHAP
	_, err = target.Plan(t.Context(), p)
	require.ErrorContains(t, err, "on a terminal only")

	_, err = target.PlanUnpublish(t.Context(), "dr-zstore0/0", true)
	require.ErrorContains(t, err, "LUN 0 goes last")
	commands, err = target.PlanUnpublish(t.Context(), "dr-zstore0/1", true)
	require.NoError(t, err)
	require.Equal(t, "pfexec iscsitadm delete target -u 1 dr-zstore0", commands[0].String())
}

func TestTheDocumentsTargetIsPublishedOnce(t *testing.T) {
	h := iscsitgtHost(t)
	p := publication("/dev/zvol/sp2/iscsi/lun0")
	p.Target, p.Portals, p.Identity.LUN, p.Identity.Product = oldTarget, []string{"10.10.0.1:3260"}, 0, "SOLARIS"
	p.Grants = []iscsi.Grant{{Initiator: "iqn.1998-01.com.vmware:vh0.0"}, {Initiator: "iqn.1998-01.com.vmware:vh1.0"}}
	h.answers["pfexec svccfg export iscsitgt"] = strings.Replace(h.answers["pfexec svccfg export iscsitgt"], "chap-name", "x", 1)
	done, err := iscsi.Ensure(t.Context(), iscsi.NewIscsitgt(h, pfexec, true), p)
	require.NoError(t, err)
	require.Empty(t, done)
	require.Empty(t, h.acted)
	p.Identity.Product = "OTHER"
	_, err = iscsi.Ensure(t.Context(), iscsi.NewIscsitgt(h, pfexec, true), p)
	require.ErrorIs(t, err, fault.State)
}

// What is published as it is to be may be shown a second time: all that there is counts, not what comes first.
func TestWhatIsInTheWayOfIscsitgt(t *testing.T) {
	const lun0, lun1 = "/dev/zvol/rdsk/sp2/iscsi/lun0", "/dev/zvol/rdsk/sp1/iscsi/lun1"
	another := func(p *iscsi.Publication) { // on a target of its own
		p.Device, p.Identity.NAA = "/dev/zvol/sp3/mail", vm109
		p.Grants, p.Portals = []iscsi.Grant{{Initiator: esx1}}, []string{"10.10.0.1:3260"}
		p.Target = iqn
	}
	for name, c := range map[string]struct {
		change   func(p *iscsi.Publication)
		old, new string // in what is exported
		says     string
	}{
		"nothing":                    {},
		"the NAA is another's, too":  {old: "name='guid' type='count' value='0'", new: "name='guid' type='astring' value='" + sunGUID + "'", says: lun1 + ": delete it first"},
		"the zvol is another's, too": {old: lun1, new: lun0, says: lun0 + ": delete it first"},
		"several portal groups":      {old: "<value_node value='1'/>\n        </astring_list>\n      </property>\n      <property name='lun-list'", new: "<value_node value='2'/><value_node value='1'/>\n        </astring_list>\n      </property>\n      <property name='lun-list'"},
		"another portal group":       {change: func(p *iscsi.Publication) { p.Group = 3 }, says: "it is in group 1 of " + oldTarget},
		"the name is another target's": {change: func(p *iscsi.Publication) { another(p); p.Name = "dr-zstore0" },
			says: "there is a target dr-zstore0 already, " + oldTarget},
		"the target has no LUN": {change: another, old: "    <property_group name='tpgt_1'", new: "    <property_group name='target_left' type='configuration'>\n" +
			"      <propval name='iscsi-name' type='astring' value='" + iqn + "'/>\n    </property_group>\n    <property_group name='tpgt_1'", says: "there is a target left already, " + iqn},
	} {
		h := iscsitgtHost(t)
		export := strings.Replace(h.answers["pfexec svccfg export iscsitgt"], "chap-name", "x", 1)
		require.Contains(t, export, c.old, name)
		h.answers["pfexec svccfg export iscsitgt"] = strings.Replace(export, c.old, c.new, 1)
		p := publication("/dev/zvol/sp2/iscsi/lun0")
		p.Target, p.Portals, p.Identity.LUN, p.Identity.Product = oldTarget, []string{"10.10.0.1:3260"}, 0, "SOLARIS"
		p.Grants = []iscsi.Grant{{Initiator: "iqn.1998-01.com.vmware:vh0.0"}, {Initiator: "iqn.1998-01.com.vmware:vh1.0"}}
		if c.change != nil {
			c.change(&p)
		}
		commands, err := iscsi.NewIscsitgt(h, pfexec, true).Plan(t.Context(), p)
		if c.says == "" {
			require.NoError(t, err, name)
			require.Empty(t, commands, name)
			continue
		}
		require.ErrorIs(t, err, fault.State, name)
		require.ErrorIs(t, err, fault.NotDone, name)
		require.ErrorContains(t, err, c.says, name)
	}
}

func TestACaptureWithoutIndentation(t *testing.T) {
	sessions, err := iscsi.ParseIscsitadm(fixture(t, "iscsitgt/list-target-forum.txt"))
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]bool{"idisk1": {"iqn.1993-08.org.debian:01:e38f5e7da7d": true}}, sessions)
}
