//go:build e2e

package vmfs_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/vmfs"
	"nightshift/internal/vmfs/vmfsimage"
)

// Three programs that others wrote, and this package, say the same of the same bytes: debugvmfs (vmfs-tools) of VMFS3 and VMFS5,
// debugvmfs6 (vmfs6-tools) of VMFS6, and blkid of all of them. Of volumes that vmfsimage wrote; and of those in the directory
// NIGHTSHIFT_VMFS_IMAGES, where there is one: volumes that ESXi made are not ours to hand on (docs/vmfs.md says where some are).
func TestToolsSayTheSame(t *testing.T) {
	images := written(t)
	if dir := os.Getenv("NIGHTSHIFT_VMFS_IMAGES"); dir != "" {
		found, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.NotEmpty(t, found, "NIGHTSHIFT_VMFS_IMAGES names a directory without files")
		images = append(images, found...)
	}
	for _, path := range images {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := os.Open(path)
			require.NoError(t, err)
			defer f.Close()
			info, err := f.Stat()
			require.NoError(t, err)
			v, err := vmfs.Inspect(f, info.Size())
			require.NoError(t, err)
			require.NotNil(t, v.FileSystem)
			t.Run("debugvmfs", func(t *testing.T) { sameAsDebugvmfs(t, path, v) })
			t.Run("blkid", func(t *testing.T) { sameAsBlkid(t, f, v) })
		})
	}
}

// written is one image of each version, as files.
func written(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, version := range []int{3, 5, 6} {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("vmfs%d", version))
		f, err := os.Create(path)
		require.NoError(t, err)
		const size = 64 << 20
		require.NoError(t, f.Truncate(size))
		uuid, err := vmfs.ParseUUID(fmt.Sprintf("5f1c000%d-ebcbbf9a-6792-000d60d46e2e", version))
		require.NoError(t, err)
		require.NoError(t, vmfsimage.Write(f, vmfsimage.Volume{Label: fmt.Sprintf("store %d", version), UUID: uuid, Size: size, Version: version,
			LUN: vmfs.LU{LUN: 3, NAA: "6001405f7ed404000000496ff8cd0003", Vendor: "LIO-ORG", Product: "mail"}}))
		require.NoError(t, f.Close())
		list = append(list, path)
	}
	return list
}

func sameAsDebugvmfs(t *testing.T, path string, v vmfs.Volume) {
	if v.Table.Scheme == vmfs.SchemeGPT {
		t.Skip("the tools do not know GPT")
	}
	program, from := "debugvmfs", "vmfs-tools"
	if v.LVM.Major == 6 {
		program, from = "debugvmfs6", "vmfs6-tools"
	}
	fs := v.FileSystem
	for variable, want := range map[string]string{
		"vol_version": fmt.Sprintf("Volume Version: %d", fs.Major),
		"version":     fmt.Sprintf("Version: %d", fs.Minor),
		"label":       "Label: " + fs.Label,
		"uuid":        "UUID: " + fs.UUID.String(),
		"ctime":       "Creation time: " + fs.Made.Format(time.DateTime),
		"block_size":  "Block size: " + binary(fs.BlockSize),
		"lvm.uuid":    "UUID: " + v.LVM.Volume.String(),
		"lvm.size":    "Size: " + binary(v.LVM.VolumeSize),
	} {
		out := run(t, from, program, path, "show", variable)
		require.Contains(t, strings.Split(out, "\n"), want, "%s show %s", program, variable)
	}
	require.Equal(t, v.LVM.Volume, fs.Volume, "debugvmfs opens a file system only where this is so")
}

// sameAsBlkid asks for the extent, as the partition has it, and for the file system, as the volume has it.
func sameAsBlkid(t *testing.T, f *os.File, v vmfs.Volume) {
	ask := func(at int64) []string {
		piece := filepath.Join(t.TempDir(), "piece")
		out, err := os.Create(piece)
		require.NoError(t, err)
		_, err = io.Copy(out, io.NewSectionReader(f, at, 8<<20))
		require.NoError(t, err)
		require.NoError(t, out.Close())
		return strings.Split(run(t, "util-linux", "blkid", "--probe", "--output", "export", piece), "\n")
	}
	extent := ask(v.Partition.Offset())
	require.Contains(t, extent, "TYPE=VMFS_volume_member")
	require.Contains(t, extent, fmt.Sprintf("VERSION=%d", v.LVM.Major))
	require.Contains(t, extent, "UUID_SUB="+v.LVM.Device.String())
	if v.LVM.Major < 6 { // where blkid looks for it, VMFS6 has nothing
		require.Contains(t, extent, "UUID="+v.LVM.Volume.String())
	}
	fs := ask(v.Partition.Offset() + v.LVM.DataOffset)
	require.Contains(t, fs, "TYPE=VMFS")
	require.Contains(t, fs, "UUID="+v.FileSystem.UUID.String())
	require.Contains(t, fs, "LABEL="+strings.ReplaceAll(v.FileSystem.Label, " ", `\ `))
	require.Contains(t, fs, fmt.Sprintf("VERSION=%d", v.FileSystem.Minor))
}

// binary is a size as debugvmfs writes it.
func binary(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".") + " " + units[i]
}

// run runs a program of a Debian package, in UTC; skipped where it is not installed.
func run(t *testing.T, from, program string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + program)
	}
	if err != nil {
		t.Skipf("%s is missing (Debian: apt install %s)", program, from)
	}
	c := exec.Command(path, args...)
	c.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s: %s", c, out)
	return string(out)
}
