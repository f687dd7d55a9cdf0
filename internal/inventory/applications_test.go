package inventory_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

const (
	clusterKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL9ZdgvIGXuKGQ1yUBcAxtjKbyIlzgRWXEYWyDUO5v8R"
	cluster    = `lab: home
applicationClusters:
  - name: pg
    members: [web01, "group:db"]
    at: [{address: web01, user: ns, key: id, hostKey: "` + clusterKey + `"}]
    status: [pcs, status]
    stop: [pcs, cluster, stop]
    start: [pcs, cluster, start]
`
)

// withCluster is the good file with an application cluster, in which old is replaced, and more behind it.
func withCluster(old, text, more string) string {
	return strings.Replace(cluster, old, text, 1) + more
}

func TestAnApplicationClusterHasItsDefaults(t *testing.T) {
	l, err := inventory.Parse("lab.yaml", []byte(replace(t, "lab: home", cluster)))
	require.NoError(t, err)
	a, ok := l.ApplicationCluster("pg")
	require.True(t, ok)
	require.Equal(t, []int{3}, a.Stopped)
	require.Equal(t, minutes(10), a.Timeout)
	require.Equal(t, inventory.ApplicationUp, a.State(0))
	require.Equal(t, inventory.ApplicationStopped, a.State(3))
	for _, n := range []int{-1, 1, 2, 4, 127, 255} {
		require.Equal(t, inventory.ApplicationUnknown, a.State(n))
	}
	_, ok = l.ApplicationCluster("mysql")
	require.False(t, ok)
}

func TestMembersOfApplicationClusters(t *testing.T) {
	text := strings.Replace(replace(t, "lab: home", cluster), "    guests: [db01]", "    guests: [db01]\n    tag: pg", 1)
	l, err := inventory.Parse("lab.yaml", []byte(text))
	require.NoError(t, err)
	for guest, member := range map[string]bool{"web01": true, "db01": true, "other": false, "": false} {
		a, ok := l.ApplicationClusterOf(guest, nil)
		require.Equal(t, member, ok, guest)
		require.Equal(t, member, a != nil && a.Name == "pg", guest)
	}
	_, ok := l.ApplicationClusterOf("tagged", []string{"x", "pg"})
	require.True(t, ok)
	require.Equal(t, []string{"db01", "web01"}, l.NamedMembers(&l.ApplicationClusters[0]))
}

func TestBadApplicationClusters(t *testing.T) {
	const at = "applicationClusters[0]."
	second := func(members string) string {
		return "  - {name: e, members: " + members + ", at: [{address: b, user: u, hostKey: \"" + clusterKey + "\"}], status: [x], stop: [y], start: [z]}\n"
	}
	for _, b := range []bad{
		{name: "no such guest", text: withCluster("web01,", "web1,", ""), place: "4:15", field: at + "members[0]", says: []string{`no guest "web1"`, `did you mean "web01"?`, "list it under guests"}},
		{name: "no such group", text: withCluster("group:db", "group:dbs", ""), place: "4:22", field: at + "members[1]", says: []string{`no group "dbs"`, `did you mean "db"?`}},
		{name: "no members", text: withCluster("[web01, \"group:db\"]", "[]", ""), place: "4:5", field: at + "members", says: []string{"no members"}},
		{name: "a member twice", text: withCluster("\"group:db\"", "web01", ""), place: "4:22", field: at + "members[1]", says: []string{"web01 is here twice"}},
		{name: "member of two, by name", text: withCluster("", "", second("[web01]")), place: "9:25", field: "applicationClusters[1].members[0]", says: []string{"guest web01 is in two application clusters", at + "members[0]"}},
		{name: "member of two, by group", text: withCluster("", "", second("[db01]")), place: "9:25", field: "applicationClusters[1].members[0]", says: []string{"guest db01 is in two application clusters", at + "members[1]"}},
		{name: "nowhere", text: withCluster("at: [{address: web01, user: ns, key: id, hostKey: \""+clusterKey+"\"}]", "at: []", ""), place: "5:5", field: at + "at", says: []string{"no machine"}},
		{name: "address", text: withCluster("address: web01", "address: \"a@b\"", ""), place: "5:20", field: at + "at[0].address", says: []string{"no address"}},
		{name: "no user", text: withCluster("user: ns, ", "", ""), place: "5:10", field: at + "at[0]", says: []string{"who logs in"}},
		{name: "host key not recorded", text: withCluster(", hostKey: \""+clusterKey+"\"", "", ""), place: "5:10", field: at + "at[0]", says: []string{"host key is not recorded", "nightshift lab trust"}},
		{name: "no host key", text: withCluster(clusterKey, "SHA256:abc", ""), place: "5:55", field: at + "at[0].hostKey", says: []string{"no host key"}},
		{name: "one machine twice", text: withCluster("at: [", "at: [{address: WEB01, user: ns, hostKey: \""+clusterKey+"\"}, ", ""), place: "5:141", field: at + "at[1].address", says: []string{"machine web01 is here twice"}},
		{name: "no command", text: withCluster("[pcs, cluster, stop]", "[]", ""), place: "7:5", field: at + "stop", says: []string{"no command"}},
		{name: "an empty command", text: withCluster("[pcs, cluster, stop]", `[" ", x]`, ""), place: "7:5", field: at + "stop", says: []string{"no command"}},
		{name: "a command for a shell", text: withCluster("[pcs, status]", `["pcs status"]`, ""), place: "6:5", field: at + "status", says: []string{"one word with blanks", "no shell"}},
		{name: "status stops", text: withCluster("[pcs, status]", "[pcs, cluster, stop]", ""), place: "7:5", field: at + "stop", says: []string{"status and stop are the same command"}},
		{name: "stopped is up", text: withCluster("", "", "    stopped: [3, 0]\n"), place: "9:18", field: at + "stopped[1]", says: []string{"exit status 0 means", "1 to 255"}},
		{name: "stopped is no status", text: withCluster("", "", "    stopped: [256]\n"), place: "9:15", field: at + "stopped[0]", says: []string{"256 is no exit status"}},
		{name: "stopped twice", text: withCluster("", "", "    stopped: [3, 3]\n"), place: "9:18", field: at + "stopped[1]", says: []string{"here twice"}},
		{name: "timeout", text: withCluster("", "", "    timeout: 10\n"), place: "9:14", field: at + "timeout", says: []string{"want a duration"}},
	} {
		b.old = "lab: home"
		b.run(t)
	}
	text := replace(t, "lab: home", withCluster("", "", strings.Replace(second("[db02]"), "name: e", "name: pg", 1)))
	_, err := inventory.Parse("lab.yaml", []byte(strings.Replace(text, "    guests: [db01]", "    guests: [db01]\n  - name: more\n    guests: [db02]", 1)))
	require.ErrorContains(t, err, "application cluster pg is here twice")
}

// `lab trust` loads a file without host keys, and writes them.
func TestHostKeysOfApplicationClustersAreRecorded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.yaml")
	text := replace(t, "lab: home", withCluster(", hostKey: \""+clusterKey+"\"", "", ""))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	_, err := inventory.Load(path)
	require.ErrorContains(t, err, "host key is not recorded")
	l, err := inventory.LoadForTrust(path)
	require.NoError(t, err)
	require.NoError(t, inventory.WriteTrust(l, []inventory.TrustChange{{Field: "applicationClusters[0].at[0].hostKey", Value: clusterKey}}))
	l, err = inventory.Load(path)
	require.NoError(t, err)
	require.Equal(t, clusterKey, l.ApplicationClusters[0].At[0].HostKey)
}
