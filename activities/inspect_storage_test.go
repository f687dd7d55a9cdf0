package activities

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/zfs"
	"nightshift/runbooks"
)

// storageScript answers the commands of a storage host, without `env LC_ALL=C PATH=…`.
type storageScript func(argv []string) (stdout, stderr string, status int)

func (f storageScript) Run(_ context.Context, argv []string, s zfs.Streams) (zfs.Exit, error) {
	if f == nil {
		return zfs.Exit{}, fault.As(fault.Unreachable, io.ErrUnexpectedEOF)
	}
	out, errs, status := f(argv[3:])
	_, _ = io.WriteString(s.Stdout, out)
	_, _ = io.WriteString(s.Stderr, errs)
	return zfs.Exit{Status: status}, nil
}

// lines are what `zfs list` prints of a volume with a snapshot that is held once, for any columns.
func volumeLines(columns, name string) string {
	values := map[string]string{"guid": "11", "createtxg": "5", "creation": "1763700000", "readonly": "off", "mounted": "-", "clones": "-", "origin": "-",
		"defer_destroy": "-", "volmode": "default", "encryption": "off", "keystatus": "-", "receive_resume_token": "-"}
	line := func(name, kind, holds string) string {
		var fields []string
		for c := range strings.SplitSeq(columns, ",") {
			v, ok := values[c]
			switch {
			case c == "name":
				v = name
			case c == "type":
				v = kind
			case c == "userrefs":
				v = holds
			case !ok:
				v = "0"
			}
			fields = append(fields, v)
		}
		return strings.Join(fields, "\t") + "\n"
	}
	return line(name, "volume", "-") + line(name+"@a", "snapshot", "1")
}

func TestStorageHostsAreReadSideBySide(t *testing.T) {
	answers := func(argv []string) (string, string, int) {
		switch words := strings.Join(argv, " "); {
		case argv[0] == "sh":
			return "Linux\n6.1.0\nclock 1000\nzfs-2.3.2-1\nzfs-kmod-2.3.2-1\n", "", 0
		case strings.HasPrefix(words, "zpool list"):
			return "tank\t1\tONLINE\t100\t40\t60\toff\n", "", 0
		case strings.HasPrefix(words, "zfs holds"):
			require.Equal(t, "zfs holds -H tank/mail@a", words)
			return "tank/mail@a\tnightshift:mail\tFri\n", "", 0
		case strings.HasPrefix(words, "zfs list"):
			if slices.Contains(argv, "tank/new") {
				return "", "cannot open 'tank/new': dataset does not exist\n", 1
			}
			return volumeLines(argv[4], argv[len(argv)-1]), "", 0
		default:
			return "", "unexpected: " + words, 9
		}
	}
	a := newActivities(newWorld())
	a.lab.StorageHosts = []inventory.StorageHost{{Name: "ss1"}, {Name: "ss2"}}
	a.storage.runner = func(host string) zfs.Runner {
		if host == "ss2" {
			return storageScript(nil)
		}
		return storageScript(answers)
	}
	got := a.inspectStorage(t.Context(), []runbooks.StorageRead{
		{Host: "ss1", Datasets: []string{"tank/mail", "tank/new"}, Holds: true}, {Host: "ss2"}, {Host: "ss3"}, {Host: "ss1"}})
	require.Len(t, got, 4)
	require.Equal(t, "ss1", got[0].Host)
	require.Empty(t, got[0].Err)
	require.Equal(t, "2.3.2-1", got[0].ZFS)
	require.Less(t, got[0].Ahead, -24*time.Hour)
	require.Equal(t, []live.ZPool{{Name: "tank", GUID: 1, Health: "ONLINE", Size: 100, Allocated: 40, Free: 60}}, got[0].Pools)
	require.Len(t, got[0].Datasets, 1, "what is not there is left out")
	require.NotNil(t, got[0].Dataset("tank/mail").Snapshot("a"))
	require.Equal(t, []live.ZHold{{Snapshot: "tank/mail@a", Tag: "nightshift:mail"}}, got[0].Holds)
	require.Contains(t, got[1].Err, "ss2")
	require.Equal(t, live.StorageHost{Host: "ss2", Err: got[1].Err}, got[1])
	require.Contains(t, got[2].Err, fmt.Sprintf("%q is not in the lab file", "ss3"))
	require.NotNil(t, got[3].Dataset("tank"), "nothing named: all of it")
	require.Equal(t, "ZFS 2.3.2-1", versions(&live.State{Storage: got})["storage host ss1"])
}
