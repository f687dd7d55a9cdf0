package inventory_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

const (
	storageExample = "../../examples/storage/lab.yaml"
	login          = "user: zfsadm, hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"
	// twoStores is the good file with two storage hosts and a group, which begins in line 26.
	twoStores = good + "storageHosts:\n  - {name: ss1, ssh: {address: ss1, " + login + "}}\n  - {name: ss2, ssh: {address: ss2, " + login + "}}\n"
	mailGroup = "protectionGroups:\n" + mail
	mail      = "  - {name: mail, source: {host: ss1, datasets: [tank/mail, tank/mail-log]}, target: {host: ss2, under: backup/ss1}, every: 1h}\n"
)

// A host shows its name as somebody typed it; the target tells it in small letters.
func TestNamesOfInitiatorsAreTheSameInCapitals(t *testing.T) {
	target := &inventory.StorageTarget{CHAP: []inventory.TargetCHAP{{Initiators: []string{"iqn.1998-01.com.vmware:ESX21"}, User: "esx"}}}
	require.NotNil(t, target.CHAPOf("iqn.1998-01.com.vmware:esx21"))
	require.Equal(t, "esx", target.CHAPOf("iqn.1998-01.com.vmware:ESX21").User)
	require.Nil(t, target.CHAPOf("iqn.1998-01.com.vmware:esx2"))
}

func TestStorageDefaults(t *testing.T) {
	l, err := inventory.Parse("lab.yaml", []byte(twoStores+mailGroup))
	require.NoError(t, err)
	h, ok := l.StorageHost("ss1")
	require.True(t, ok)
	require.Equal(t, "sudo", h.Elevate)
	require.Equal(t, "home", h.Site)
	g, ok := l.ProtectionGroup("mail")
	require.True(t, ok)
	yes := true
	require.Equal(t, &inventory.ProtectionGroup{Name: "mail", Every: plan.Duration(time.Hour), Noise: "1GiB",
		Source: inventory.ProtectionSource{Host: "ss1", Datasets: []string{"tank/mail", "tank/mail-log"}},
		Target: inventory.ProtectionTarget{Host: "ss2", Under: "backup/ss1"},
		Send:   inventory.Send{Compressed: &yes, LargeBlocks: &yes, Via: "direct"},
		Keep:   inventory.Retentions{Zone: "UTC"}}, g)
	require.Equal(t, "backup/ss1/mail", g.Replica("tank/mail"))
	require.Equal(t, "backup/ss1/a/b", g.Replica("tank/a/b"))
	require.Equal(t, "tank", g.Pool())
	_, ok = l.ProtectionGroup("web")
	require.False(t, ok)
}

func TestStorageExample(t *testing.T) {
	l, err := inventory.Load(storageExample)
	require.NoError(t, err)
	ss2, _ := l.StorageHost("ss2")
	require.Equal(t, "gate.away.example:2222", ss2.SSH.Jump.Address)
	require.Equal(t, inventory.SSH{Address: "gate.away.example:2222", User: "nightshift", Key: "keys/gate", HostKey: ss2.SSH.HostKey}, ss2.SSH.Jump.SSH())
	host, port := ss2.ReplicationAddress()
	require.Equal(t, [2]string{"10.99.0.2", "22"}, [2]string{host, port})
	ss1, _ := l.StorageHost("ss1")
	host, port = ss1.ReplicationAddress()
	require.Equal(t, [2]string{"ss1.home.example", "22"}, [2]string{host, port})
	require.True(t, ss1.Target.Proven())
	mail, _ := l.ProtectionGroup("mail")
	require.EqualValues(t, 50<<20, mail.Send.Limit.Bytes())
	require.Equal(t, time.Sunday, mail.Keep.Target.Day())
	require.Equal(t, "Europe/Berlin", mail.Keep.Zone)
	files, _ := l.ProtectionGroup("files")
	require.Equal(t, plan.Duration(time.Minute), files.Hooks.Before.Timeout)
	require.Equal(t, plan.Duration(2*time.Minute), files.Hooks.After.Timeout)
}

func TestVMFSCopies(t *testing.T) {
	with := func(copies string) *inventory.VMFSCopies {
		l, err := inventory.Parse("lab.yaml", []byte(strings.Replace(twoStores, "name: ss1,", "name: ss1, target: {kind: lio}, vmfsCopies: "+copies+",", 1)))
		require.NoError(t, err)
		ss1, _ := l.StorageHost("ss1")
		return ss1.VMFSCopies
	}
	require.Equal(t, &inventory.VMFSCopies{To: "ss2", Keep: 30}, with("{to: ss2}"))
	require.Equal(t, &inventory.VMFSCopies{To: "ss2", Keep: 90}, with("{to: ss2, keep: 90}"))
}

func TestOtherTargets(t *testing.T) {
	text := strings.Replace(twoStores, "name: ss1,", "name: ss1, target: {kind: comstar, portal: 10.0.0.1}, replication: {address: '[::1]:2222'},", 1)
	text = strings.Replace(text, "name: ss2,", "name: ss2, elevate: none, target: {kind: iscsitgt, unproven: accept, portal: 'fe80::1'},", 1)
	l, err := inventory.Parse("lab.yaml", []byte(text))
	require.NoError(t, err)
	ss1, _ := l.StorageHost("ss1")
	ss2, _ := l.StorageHost("ss2")
	require.Equal(t, "pfexec", ss1.Elevate)
	require.Equal(t, "none", ss2.Elevate)
	require.False(t, ss1.Target.Proven())
	require.True(t, ss2.Target.Proven())
	require.Equal(t, "10.0.0.1:3260", ss1.Target.Portal)
	require.Equal(t, "[fe80::1]:3260", ss2.Target.Portal)
	host, port := ss1.ReplicationAddress()
	require.Equal(t, [2]string{"::1", "2222"}, [2]string{host, port})
}

func TestSizes(t *testing.T) {
	for text, want := range map[inventory.Size]int64{"1B": 1, "50MiB": 50 << 20, "1.5GiB": 3 << 29, "2TiB": 2 << 40, "1024TiB": 1 << 50, "0.5KiB": 512,
		"": 0, "50MB": 0, "0MiB": 0, "-1KiB": 0, "1": 0, "1025TiB": 0, "1e3KiB": 0, "0.1B": 0, ".5KiB": 0} {
		require.Equal(t, want, text.Bytes(), text)
	}
}

func TestWeekdays(t *testing.T) {
	for text, want := range map[string]time.Weekday{"": time.Sunday, "Sun": time.Sunday, "Mon": time.Monday, "Sat": time.Saturday} {
		require.Equal(t, want, (&inventory.Retention{Weekday: text}).Day())
	}
}

// host is the good file with a storage host of these keys; it begins in line 23.
func withStorageHost(keys string) string { return good + "storageHosts:\n  - {" + keys + "}\n" }

func TestWhatIsWrongWithAStorageHost(t *testing.T) {
	const start = "name: ss1, ssh: {address: ss1}"
	const group = "protectionGroups:\n  - {name: g, source: {host: ss1, datasets: [a/b]}, target: {host: ss1, under: c}, every: 1h}\n"
	for _, b := range []bad{
		{name: "twice", place: "24:12", text: withStorageHost(start) + "  - {" + start + "}\n", field: "storageHosts[1].name", says: []string{"the storage host ss1 is here twice"}},
		{name: "a strange way up", place: "23:47", text: withStorageHost(start + ", elevate: doas"), field: "storageHosts[0].elevate", says: []string{"sudo, pfexec, none"}},
		{name: "another target", place: "23:53", text: withStorageHost(start + ", target: {kind: ctl}"), field: "storageHosts[0].target.kind", says: []string{"lio, comstar, iscsitgt"}},
		{name: "no kind", place: "23:46", text: withStorageHost(start + ", target: {portal: 10.0.0.1}"), field: "storageHosts[0].target", says: []string{`"kind" is missing`}},
		{name: "a portal by name", place: "23:66", text: withStorageHost(start + ", target: {kind: lio, portal: ss1}"), field: "storageHosts[0].target.portal", says: []string{"IP address"}},
		{name: "nothing to accept", place: "23:68", text: withStorageHost(start + ", target: {kind: lio, unproven: accept}"), field: "storageHosts[0].target.unproven", says: []string{"lio is proven"}},
		{name: "an initiator that is none", place: "23:79", text: withStorageHost(start + ", target: {kind: lio, chap: [{initiators: [esx21], user: u, secret: 'env:S'}]}"), field: "storageHosts[0].target.chap[0].initiators[0]", says: []string{"is no iSCSI name"}},
		{name: "an initiator with two secrets", place: "23:132", text: withStorageHost(start + ", target: {kind: lio, chap: [{initiators: ['iqn.x:a'], user: u, secret: 'env:S'}, {initiators: ['iqn.x:A'], user: v, secret: 'env:S'}]}"), field: "storageHosts[0].target.chap[1].initiators[0]", says: []string{"has a user and a secret already"}},
		{name: "a secret itself", place: "23:108", text: withStorageHost(start + ", target: {kind: lio, chap: [{initiators: ['iqn.x:a'], user: u, secret: hunter2hunter2}]}"), field: "storageHosts[0].target.chap[0].secret", says: []string{"a secret itself never stands in the lab file"}},
		{name: "half of mutual CHAP", place: "23:129", text: withStorageHost(start + ", target: {kind: lio, chap: [{initiators: ['iqn.x:a'], user: u, secret: 'env:S', mutualUser: t}]}"), field: "storageHosts[0].target.chap[0].mutualUser", says: []string{"go together"}},
		{name: "CHAP of nobody", place: "23:66", text: withStorageHost(start + ", target: {kind: lio, chap: [{initiators: [], user: u, secret: 'env:S'}]}"), field: "storageHosts[0].target.chap[0].initiators", says: []string{"it is nobody's"}},
		{name: "partition tables without a target", place: "23:57", text: withStorageHost(start + ", restorePartitions: true"), field: "storageHosts[0].restorePartitions", says: []string{"add target: {kind: lio}"}},
		{name: "copies to nobody", place: "23:76", text: withStorageHost(start + ", target: {kind: lio}, vmfsCopies: {to: ss2}"), field: "storageHosts[0].vmfsCopies.to", says: []string{`there is no other storage host "ss2"`}},
		{name: "copies to itself", place: "23:76", text: withStorageHost(start + ", target: {kind: lio}, vmfsCopies: {to: ss1}"), field: "storageHosts[0].vmfsCopies.to", says: []string{"gone with its volumes"}},
		{name: "copies without a place", place: "23:71", text: withStorageHost(start + ", target: {kind: lio}, vmfsCopies: {keep: 3}"), field: "storageHosts[0].vmfsCopies", says: []string{`"to" is missing`}},
		{name: "no copies", place: "23:87", text: withStorageHost(start+", target: {kind: lio}, vmfsCopies: {to: ss2, keep: 0}") + "  - {name: ss2, ssh: {address: ss2, " + login + "}}\n", field: "storageHosts[0].vmfsCopies.keep", says: []string{"1 to 10000; default 30"}},
		{name: "copies without a target", place: "23:38", text: withStorageHost(start+", vmfsCopies: {to: ss2}") + "  - {name: ss2, ssh: {address: ss2, " + login + "}}\n", field: "storageHosts[0].vmfsCopies", says: []string{"add target: {kind: lio}"}},
		{name: "copies on a host that nobody logs in to", place: "24:17", text: withStorageHost(start+", target: {kind: lio}, vmfsCopies: {to: ss2}") + "  - {name: ss2, ssh: {address: ss2, knownHosts: kh}}\n", field: "storageHosts[1].ssh", says: []string{"who logs in there"}},
		{name: "an option for an address", place: "23:61", text: withStorageHost(start + ", replication: {address: -oProxyCommand}"), field: "storageHosts[0].replication.address", says: []string{"is no address"}},
		{name: "an option for its own address", place: "23:32", text: withStorageHost("name: ss1, ssh: {address: -x}"), field: "storageHosts[0].ssh.address", says: []string{"is no address"}},
		{name: "two ways to know it", place: "23:154", text: withStorageHost("name: ss1, ssh: {address: ss1, " + login + ", knownHosts: kh}"), field: "storageHosts[0].ssh.knownHosts", says: []string{"keep one"}},
		{name: "a certificate without a key", place: "23:78", text: withStorageHost("name: ss1, ssh: {address: ss1, user: u, password: 'env:P', certificate: c}"), field: "storageHosts[0].ssh.certificate", says: []string{"goes with a key"}},
		{name: "a jump host that is not known", place: "23:37", text: withStorageHost("name: ss1, ssh: {address: ss1, jump: {address: gate, user: u}}"), field: "storageHosts[0].ssh.jump", says: []string{"its host key is not recorded"}},
		{name: "a jump host and nobody", place: "23:37", text: withStorageHost("name: ss1, ssh: {address: ss1, jump: {address: gate, knownHosts: kh}}"), field: "storageHosts[0].ssh.jump", says: []string{"it is not said who logs in there"}},
		{name: "a replica on a host that nobody logs in to", place: "23:17", text: withStorageHost("name: ss1, ssh: {address: ss1, knownHosts: kh}") + group, field: "storageHosts[0].ssh", says: []string{"who logs in there"}},
		{name: "a replica on a host that is not known", place: "23:17", text: withStorageHost("name: ss1, ssh: {address: ss1, user: zfsadm}") + group, field: "storageHosts[0].ssh", says: []string{"nightshift lab trust"}},
		{name: "an account with a blank", place: "23:43", text: withStorageHost("name: ss1, ssh: {address: ss1, user: 'zfs adm', knownHosts: kh}") + group, field: "storageHosts[0].ssh.user", says: []string{"no name for a service account"}},
	} {
		b.run(t)
	}
	_, err := inventory.Parse("lab.yaml", []byte(withStorageHost("name: ss1, ssh: {address: ss1, user: u, knownHosts: kh, key: id, certificate: id-cert.pub}")+group))
	require.NoError(t, err)
}

func TestWhatIsWrongWithAProtectionGroup(t *testing.T) {
	long := strings.Repeat("x", 208)
	var many []string
	for i := range inventory.MostDatasets {
		many = append(many, fmt.Sprintf("tank/%d", i))
	}
	for _, b := range []struct{ name, old, text, field, says string }{
		{"a name for no snapshot", "name: mail", "name: ma_il", "name", "part of the names of snapshots"},
		{"another host", "host: ss1", "host: ss3", "source.host", `no storage host "ss3"`},
		{"another target", "host: ss2", "host: ss3", "target.host", `no storage host "ss3"`},
		{"nothing", "[tank/mail, tank/mail-log]", "[]", "source.datasets", "protects nothing"},
		{"more than one command takes", "tank/mail-log", strings.Join(many, ", "), "source.datasets", "301 datasets are more than one atomic snapshot is taken of (at most 300"},
		{"a pool", "tank/mail-log", "tank", "source.datasets[1]", "whole pool"},
		{"two pools", "tank/mail-log", "tonk/log", "source.datasets[1]", "atomic within one pool only"},
		{"a snapshot", "tank/mail-log", "tank/log@a", "source.datasets[1]", "a snapshot or bookmark"},
		{"a path", "tank/mail-log", "/tank/log", "source.datasets[1]", "it is a path"},
		{"an empty part", "tank/mail-log", "tank//log", "source.datasets[1]", "an empty part"},
		{"an empty end", "tank/mail-log", "tank/log/", "source.datasets[1]", "an empty part"},
		{"dots", "tank/mail-log", "tank/../log", "source.datasets[1]", `".."`},
		{"a blank", "tank/mail-log", "tank/mail log", "source.datasets[1]", "does not allow"},
		{"a shell's characters", "tank/mail-log", "'tank/$(reboot)'", "source.datasets[1]", "does not allow"},
		{"a percent sign", "tank/mail-log", "tank/%recv", "source.datasets[1]", "does not allow"},
		{"a letter of another alphabet", "tank/mail-log", "tank/mäil", "source.datasets[1]", "does not allow"},
		{"an option", "tank/mail-log", "-r/log", "source.datasets[1]", "begins with a letter"},
		{"a mirror", "tank/mail-log", "mirror/log", "source.datasets[1]", "no pool is called"},
		{"too long with a snapshot", "tank/mail-log", "tank/" + long[:120] + long[:120], "source.datasets[1]", "longer than ZFS's 255"},
		{"too deep", "tank/mail-log", "tank" + strings.Repeat("/a", 50), "source.datasets[1]", "deeper"},
		{"twice", "tank/mail-log", "tank/mail", "source.datasets[1]", "is here twice"},
		{"a replica with a long name", "backup/ss1", "backup/" + long, "target.under", "longer name than ZFS's 255"},
		{"a replica nowhere", "backup/ss1", "'@x'", "target.under", "a snapshot or bookmark"},
		{"onto itself", "host: ss2, under: backup/ss1", "host: ss1, under: tank", "target.under", "protected already, in group mail"},
		{"into itself", "host: ss2, under: backup/ss1", "host: ss1, under: tank/mail", "target.under", "lies in tank/mail, which is protected in group mail"},
		{"no time at all", "every: 1h", "every: 0h", "every", "not above zero (a number with its unit"},
		{"too often", "every: 1h", "every: 1s", "every", "no interval"},
		{"hardly ever", "every: 1h", "every: 10000h", "every", "no interval"},
		{"no size", "every: 1h", "every: 1h, noise: 1GB", "noise", "a number with its unit"},
		{"a limit of nothing", "every: 1h", "every: 1h, send: {limit: 0MiB}", "send.limit", "nothing at all"},
		{"a limit without end", "every: 1h", "every: 1h, send: {limit: 10B}", "send.limit", "64KiB or more"},
		{"raw and not", "every: 1h", "every: 1h, send: {raw: true, compressed: false}", "send.compressed", "as they lie on disk"},
		{"another way", "every: 1h", "every: 1h, send: {via: email}", "send.via", "direct, worker"},
		{"a hook in one word", "every: 1h", "every: 1h, hooks: {before: {command: [systemctl stop x], at: ss1}}", "hooks.before.command", "no shell splits it"},
		{"a hook nowhere", "every: 1h", "every: 1h, hooks: {after: {command: [x], at: ss9}}", "hooks.after.at", "no machine that is reached over SSH"},
		{"a hook for ever", "every: 1h", "every: 1h, hooks: {before: {command: [x], at: ss1, timeout: 2562047h}}", "hooks.before.timeout", "longer than a hundred years"},
		{"nothing kept", "every: 1h", "every: 1h, keep: {target: {}}", "keep.target", "nothing would be kept"},
		{"nothing kept at length", "every: 1h", "every: 1h, keep: {source: {daily: 0}}", "keep.source", "nothing would be kept"},
		{"a weekday of no week", "every: 1h", "every: 1h, keep: {source: {daily: 3, weekday: Mon}}", "keep.source.weekday", "weekly"},
		{"another weekday", "every: 1h", "every: 1h, keep: {source: {weekly: 3, weekday: Sunday}}", "keep.source.weekday", "Mon, Tue"},
		{"a time zone", "every: 1h", "every: 1h, keep: {zone: Mars/Base}", "keep.zone", "IANA"},
	} {
		t.Run(b.name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(mailGroup, b.old))
			_, err := inventory.Parse("lab.yaml", []byte(twoStores+strings.Replace(mailGroup, b.old, b.text, 1)))
			var list inventory.Errors
			require.ErrorAs(t, err, &list)
			for _, e := range list { // two datasets may be wrong in one way
				require.Equal(t, "protectionGroups[0]."+b.field, e.Field)
				require.Equal(t, 26, e.Line)
				require.Contains(t, e.Error(), b.says)
			}
		})
	}
}

func TestGroupsThatOverlap(t *testing.T) {
	const ss3 = "  - {name: ss3, ssh: {address: ss3, " + login + "}}\n"
	for _, b := range []struct{ name, other, field, says string }{
		{"a dataset in two groups", "source: {host: ss1, datasets: [tank/web, tank/mail]}, target: {host: ss3, under: b}", "protectionGroups[1].source.datasets[1]", "protected already, in group mail"},
		{"a dataset in another one's", "source: {host: ss1, datasets: [tank/mail/sub]}, target: {host: ss3, under: b}", "protectionGroups[1].source.datasets[0]", "lies in tank/mail, which is protected in group mail"},
		{"a replica where another is", "source: {host: ss3, datasets: [other/mail]}, target: {host: ss2, under: backup/ss1}", "protectionGroups[1].target.under", "a replica already, in group mail"},
		{"a replica in another one", "source: {host: ss3, datasets: [other/x]}, target: {host: ss2, under: backup/ss1/mail}", "protectionGroups[1].target.under", "lies in backup/ss1/mail, which is a replica in group mail"},
		{"a replica of a replica", "source: {host: ss2, datasets: [backup/ss1/mail]}, target: {host: ss3, under: b}", "protectionGroups[1].source.datasets[0]", "a replica already, in group mail"},
		{"a replica over a source", "source: {host: ss3, datasets: [other/mail]}, target: {host: ss1, under: tank}", "protectionGroups[1].target.under", "protected already, in group mail"},
		{"one name for both", "source: {host: ss3, datasets: [other/x]}, target: {host: ss2, under: b}, every: 1h}\n  - {name: mail, source: {host: ss3, datasets: [other/y]}, target: {host: ss2, under: b}", "protectionGroups[2].name", "is here twice"},
	} {
		t.Run(b.name, func(t *testing.T) {
			_, err := inventory.Parse("lab.yaml", []byte(twoStores+ss3+mailGroup+"  - {name: other, "+b.other+", every: 1h}\n"))
			var list inventory.Errors
			require.ErrorAs(t, err, &list)
			require.Len(t, list, 1, "%v", err)
			require.Equal(t, b.field, list[0].Field)
			require.ErrorContains(t, err, b.says)
		})
	}
	for name, other := range map[string]string{
		"the same names elsewhere":      "source: {host: ss3, datasets: [tank/mail]}, target: {host: ss2, under: backup/ss3}",
		"beside each other":             "source: {host: ss1, datasets: [tank/mail-old]}, target: {host: ss2, under: backup/ss1}",
		"in each other, within a group": "source: {host: ss1, datasets: [tank/a, tank/a/b]}, target: {host: ss2, under: backup/ss1}",
		"to and fro":                    "source: {host: ss2, datasets: [backup/web]}, target: {host: ss1, under: tank/from-ss2}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inventory.Parse("lab.yaml", []byte(twoStores+ss3+mailGroup+"  - {name: other, "+other+", every: 1h}\n"))
			require.NoError(t, err)
		})
	}
}
