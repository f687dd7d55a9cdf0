//go:build linux || darwin || freebsd

package statedir

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// modesCount: file modes keep other users out.
const modesCount = true

// FreeBytes says how many bytes an unprivileged user can still write where path lies.
func FreeBytes(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return uint64(max(st.Bavail, 0)) * uint64(st.Bsize), nil //nolint:unconvert // not on Linux, but where it is signed
}

func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
