package zfs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// properties are those of columns.
func properties() []string {
	var names []string
	for _, c := range columns {
		names = append(names, c.property)
	}
	return names
}

// line is one of a listing in which all columns that are not named are "-".
func line(values map[string]string) string {
	var fields []string
	for _, p := range properties() {
		v, set := values[p]
		if !set {
			v = "-"
		}
		fields = append(fields, v)
	}
	return strings.Join(fields, "\t") + "\n"
}

func values(name, kind string, txg int, more ...string) map[string]string {
	m := map[string]string{"name": name, "type": kind, "guid": fmt.Sprint(1000 + txg), "createtxg": fmt.Sprint(txg), "creation": "1763715600"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func TestAListing(t *testing.T) {
	out := line(values("tank", "filesystem", 1, "used", "4096", "available", "1000", "quota", "0", "readonly", "off", "mounted", "no")) +
		line(values("tank/a b", "volume", 2, "used", "8192", "volsize", "67108864", "volblocksize", "16384", "readonly", "on", "volmode", "none",
			"origin", "tank/x@y", "written", "12", "receive_resume_token", "1-abc", "encryption", "aes-256-gcm", "keystatus", "unavailable", "refreservation", "none")) +
		line(values("tank/a b@second", "snapshot", 9, "used", "512", "written", "1024", "userrefs", "2", "clones", "tank/t1,tank/t2", "defer_destroy", "on")) +
		line(values("tank/a b@first one", "snapshot", 8, "userrefs", "0", "clones", "", "defer_destroy", "off")) +
		line(values("tank/a b#first", "bookmark", 8)) +
		line(values("tank@x", "snapshot", 10, "userrefs", "0"))
	found, err := ParseList([]byte(out), properties())
	require.NoError(t, err)
	at := time.Unix(1763715600, 0).UTC()
	require.Equal(t, []live.ZDataset{
		{Name: "tank", GUID: 1001, CreateTXG: 1, Creation: at, Used: 4096, Available: 1000,
			Snapshots: []live.ZSnapshot{{Name: "x", GUID: 1010, CreateTXG: 10, Creation: at}}},
		{Name: "tank/a b", Volume: true, GUID: 1002, CreateTXG: 2, Creation: at, Used: 8192, VolSize: 64 << 20, VolBlockSize: 16384, ReadOnly: true,
			VolMode: "none", Origin: "tank/x@y", Written: 12, ResumeToken: "1-abc", Encryption: "aes-256-gcm", KeyStatus: "unavailable",
			Snapshots: []live.ZSnapshot{
				{Name: "first one", GUID: 1008, CreateTXG: 8, Creation: at},
				{Name: "second", GUID: 1009, CreateTXG: 9, Creation: at, Used: 512, Written: 1024, Holds: 2, Clones: []string{"tank/t1", "tank/t2"}, Doomed: true},
			},
			Bookmarks: []live.ZBookmark{{Name: "first", GUID: 1008, CreateTXG: 8, Creation: at}}},
	}, found)
}

func TestARealListing(t *testing.T) {
	out, err := os.ReadFile("testdata/list-openzfs-2.3.2.txt") // of Debian 12 with OpenZFS from backports
	require.NoError(t, err)
	found, err := ParseList(out, properties())
	require.NoError(t, err)
	host := live.StorageHost{Datasets: found}
	require.Len(t, found, 6)
	mail := host.Dataset("zfscap/mail")
	require.Equal(t, []string{"nightshift_mail_2026-11-21T09:00:00Z", "with space", "doomed"}, []string{mail.Snapshots[0].Name, mail.Snapshots[1].Name, mail.Snapshots[2].Name})
	require.Equal(t, 1, mail.Snapshots[0].Holds)
	require.Equal(t, []string{"zfscap/clone"}, mail.Snapshots[1].Clones)
	require.True(t, mail.Snapshots[2].Doomed)
	require.Equal(t, mail.Snapshots[0].GUID, mail.Bookmarks[0].GUID)
	require.Equal(t, "zfscap/mail@with space", host.Dataset("zfscap/clone").Origin)
	require.Equal(t, "aes-256-gcm available", host.Dataset("zfscap/enc").Encryption+" "+host.Dataset("zfscap/enc").KeyStatus)
	require.Equal(t, int64(18874368), host.Dataset("zfscap/thick").RefReservation)
	require.False(t, host.Dataset("zfscap/fs").Volume)
	require.Equal(t, mail.Snapshots[0].CreateTXG, host.Dataset("zfscap/fs").Snapshots[0].CreateTXG, "taken in one command")
}

func TestAListingOfANewerToolIsOneClearError(t *testing.T) {
	good := line(values("tank", "filesystem", 1))
	for name, test := range map[string]struct{ out, says string }{
		"a type":             {good + line(values("tank/q", "quantum", 2)), `line 2: its column type is "quantum"`},
		"a column too many":  {good + strings.TrimSuffix(line(values("tank/a", "volume", 2)), "\n") + "\tx\n", "line 2: it has 26 columns, not 25"},
		"a column too few":   {"tank\tfilesystem\n", "line 1: it has 2 columns, not 25"},
		"a size for people":  {line(values("tank", "filesystem", 1, "used", "4K")), `its column used is "4K"`},
		"a negative size":    {line(values("tank", "filesystem", 1, "used", "-4")), `its column used is "-4"`},
		"no guid":            {line(values("tank", "filesystem", 1, "guid", "-")), `its column guid is "-"`},
		"no creation":        {line(values("tank", "filesystem", 1, "creation", "-")), `its column creation is "-"`},
		"a date for people":  {line(values("tank", "filesystem", 1, "creation", "Fri Nov 21 9:00 2025")), "its column creation"},
		"neither on nor off": {line(values("tank", "filesystem", 1, "readonly", "sometimes")), "its column readonly"},
		"twice":              {good + good, "line 2: tank is there twice"},
		"an orphan":          {good + line(values("other@x", "snapshot", 2)), "line 2: the dataset of other@x was not listed before it"},
		"a nameless one":     {good + line(values("tank@", "snapshot", 2)), `line 2: "tank@" is no name of a snapshot`},
		"cut off":            {strings.TrimSuffix(good, "\n"), "the last line has no end"},
		"an empty line":      {good + "\n", "line 2: it has 1 columns"},
		"another language":   {"kein Speicher\n", "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseList([]byte(test.out), properties())
			require.ErrorIs(t, err, fault.Unsupported)
			require.ErrorContains(t, err, test.says)
			require.ErrorContains(t, err, "`zfs list` prints what nightshift cannot read")
		})
	}
	none, err := ParseList(nil, properties())
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestAnOlderZFSIsAskedForLess(t *testing.T) {
	var asked []string
	lacks := []string{"keystatus", "receive_resume_token", "encryption"}
	c := New("old", scripted(func(argv []string) (string, string, Exit) {
		props := strings.Split(argv[4], ",")
		asked = append(asked, argv[4])
		for _, l := range lacks {
			for _, p := range props {
				if p == l {
					return "", "bad property list: invalid property '" + l + "'\nusage:\n\tlist …\n", Exit{Status: 2}
				}
			}
		}
		out := strings.Split(line(values("tank", "filesystem", 1)), "\t")
		return strings.Join(out[:len(props)-1], "\t") + "\t-\n", "", Exit{}
	}))
	found, err := c.List(t.Context(), true, "tank")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Len(t, asked, 4)

	lacks = []string{"createtxg"}
	_, err = c.List(t.Context(), true, "tank")
	require.ErrorIs(t, err, fault.Unsupported)
	require.ErrorContains(t, err, "old: its ZFS is too old: it has no property createtxg")

	lacks = []string{"nosuch"}
	_, err = New("x", scripted(func([]string) (string, string, Exit) {
		return "", "bad property list: invalid property 'nosuch'", Exit{Status: 2}
	})).List(t.Context(), true, "tank")
	require.Error(t, err, "it does not go on for ever")
}

func TestOneDatasetIsListedWithoutItsChildren(t *testing.T) {
	c := New("ss1", scripted(func(argv []string) (string, string, Exit) {
		require.Equal(t, "-t filesystem,volume,snapshot,bookmark -d 1 tank/a", strings.Join(argv[5:], " "))
		return line(values("tank/a", "filesystem", 1)) + line(values("tank/a@x", "snapshot", 3, "userrefs", "0")) + line(values("tank/a/b", "volume", 2)), "", Exit{}
	}))
	found, err := c.List(t.Context(), false, "tank/a")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "x", found[0].Newest().Name)
}

func TestGUIDsAndHoldsOfWhatIsThere(t *testing.T) {
	c := New("ss1", scripted(func(argv []string) (string, string, Exit) {
		gone := "cannot open 'tank/a@gone': dataset does not exist\n"
		if argv[1] == "holds" {
			return "tank/a@x\tnightshift:mail\tSat Nov 21  9:00 2026\ntank/a@x\tmine\tSat Nov 21  9:01 2026\n", gone, Exit{Status: 1}
		}
		return "tank/a@x\t18446744073709551615\n", gone, Exit{Status: 1}
	}))
	guids, err := c.GUIDs(t.Context(), "tank/a@x", "tank/a@gone")
	require.NoError(t, err)
	require.Equal(t, map[string]uint64{"tank/a@x": 18446744073709551615}, guids)
	holds, err := c.Holds(t.Context(), "tank/a@x", "tank/a@gone")
	require.NoError(t, err)
	require.Equal(t, []live.ZHold{{Snapshot: "tank/a@x", Tag: "nightshift:mail"}, {Snapshot: "tank/a@x", Tag: "mine"}}, holds)

	c = New("ss1", scripted(func([]string) (string, string, Exit) {
		return "", "cannot open 'tank/a@gone': dataset does not exist\ncannot open 'tank/b@x': permission denied\n", Exit{Status: 1}
	}))
	_, err = c.GUIDs(t.Context(), "tank/a@gone", "tank/b@x")
	require.ErrorIs(t, err, fault.Permission)
}

// As many as one command takes, with names as long as they may be: the tool says of each that it is not there.
func TestGUIDsOfManyThatAreGone(t *testing.T) {
	c := New("ss1", scripted(func(argv []string) (string, string, Exit) {
		var gone strings.Builder
		for _, name := range argv[len(argv)-PerCommand:] {
			fmt.Fprintf(&gone, "cannot open '%s': dataset does not exist\n", name)
		}
		return "", gone.String(), Exit{Status: 1}
	}))
	var names []string
	for i := range PerCommand {
		names = append(names, "tank/"+strings.Repeat("a", 240)+fmt.Sprintf("@x%03d", i))
	}
	guids, err := c.GUIDs(t.Context(), names...)
	require.NoError(t, err)
	require.Empty(t, guids)
}

func TestPoolsAndVersions(t *testing.T) {
	c := New("ss1", scripted(func(argv []string) (string, string, Exit) {
		if argv[1] == "list" {
			return "tank\t17000000000000000000\tONLINE\t1996488704\t100\t1996488604\toff\nold\t1\tSUSPENDED\t-\t-\t-\ton\n", "", Exit{}
		}
		return "Linux\n6.1.0-40-cloud-amd64\nzfs-2.3.2-2~bpo12+2\nzfs-kmod-2.3.2-2~bpo12+2\n", "", Exit{}
	}))
	pools, err := c.Pools(t.Context())
	require.NoError(t, err)
	require.Equal(t, []live.ZPool{{Name: "tank", GUID: 17000000000000000000, Health: "ONLINE", Size: 1996488704, Allocated: 100, Free: 1996488604},
		{Name: "old", GUID: 1, Health: "SUSPENDED", ReadOnly: true}}, pools)
	system, err := c.System(t.Context())
	require.NoError(t, err)
	require.Equal(t, System{Name: "Linux 6.1.0-40-cloud-amd64", Tools: "2.3.2-2~bpo12+2", Module: "2.3.2-2~bpo12+2"}, system)

	_, err = parsePools([]byte("tank\t1\tSLEEPY\t1\t1\t1\toff\n"))
	require.ErrorIs(t, err, fault.Unsupported)
	_, err = c.Pools(t.Context(), "tank/a")
	require.ErrorIs(t, err, fault.Invalid)
}

func TestPropertiesAreReadWithTheirSource(t *testing.T) {
	c := New("ss2", scripted(func(argv []string) (string, string, Exit) {
		require.Equal(t, "zfs get -Hp -o property,value,source readonly,nightshift:group,nightshift:none backup/mail", strings.Join(argv, " "))
		return "readonly\ton\tlocal\nnightshift:group\tmail\treceived\nnightshift:none\t-\t-\n", "", Exit{}
	}))
	found, err := c.Get(t.Context(), "backup/mail", "readonly", "nightshift:group", "nightshift:none")
	require.NoError(t, err)
	require.Equal(t, map[string]Property{"readonly": {"on", "local"}, "nightshift:group": {"mail", "received"}}, found)
}

// bigListing has one volume with so many snapshots.
func bigListing(snapshots int) []byte {
	var b strings.Builder
	b.WriteString(line(values("tank/mail", "volume", 1, "used", "1", "volsize", "1073741824")))
	for i := range snapshots {
		at := time.Date(2020, 1, 1, i, 0, 0, 0, time.UTC)
		b.WriteString(line(map[string]string{"name": "tank/mail@nightshift_mail_" + at.Format(time.RFC3339), "type": "snapshot", "guid": fmt.Sprint(uint64(1)<<63 + uint64(i)),
			"createtxg": fmt.Sprint(100 + i), "creation": fmt.Sprint(at.Unix()), "used": "131072", "referenced": "1073741824", "written": "4194304",
			"userrefs": "0", "clones": "", "defer_destroy": "off", "volsize": "1073741824"}))
	}
	return []byte(b.String())
}

func BenchmarkParseList(b *testing.B) {
	const n = 10_000
	out, props := bigListing(n), properties()
	b.SetBytes(int64(len(out)))
	for b.Loop() {
		found, err := ParseList(out, props)
		if err != nil || len(found[0].Snapshots) != n {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "snapshots/s")
}

func FuzzParseList(f *testing.F) {
	printed, err := os.ReadFile("testdata/list-openzfs-2.3.2.txt")
	require.NoError(f, err)
	f.Add(string(printed))
	f.Add(string(bigListing(3)))
	f.Add(line(values("tank", "filesystem", 1)) + line(values("tank@a", "snapshot", 2, "clones", "x,y")) + line(values("tank#a", "bookmark", 2)))
	f.Add("tank\tfilesystem\t1\n")
	f.Add("\t\t\n\n")
	f.Fuzz(func(t *testing.T, out string) {
		found, err := ParseList([]byte(out), properties())
		if err != nil {
			require.ErrorIs(t, err, fault.Unsupported)
			return
		}
		lines := 0
		for _, d := range found {
			lines += 1 + len(d.Snapshots) + len(d.Bookmarks)
			require.NotEmpty(t, d.Name)
			require.GreaterOrEqual(t, d.Used, int64(0))
		}
		require.Equal(t, strings.Count(out, "\n"), lines, "each line is one thing")
	})
}
