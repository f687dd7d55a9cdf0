package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vmfs"
	"nightshift/internal/words"
)

const (
	savedSuffix = ".tar.gz"
	savedLayout = "2006-01-02T150405Z" // no colons: the file may be copied to any file system
	// saveTime is for one volume: some 25 MiB come over SSH.
	saveTime = 10 * time.Minute
)

// savedDir is where the backups of a LUN lie.
func (a *Activities) savedDir(host, lun string) string {
	return filepath.Join(a.papers, "vmfs", directory(host), directory(lun))
}

// directory is a name as that of a directory: one that no other name has.
func directory(name string) string {
	plain := plainName(name)
	if plain == name && strings.Trim(name, ".") != "" {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return plain + "-" + hex.EncodeToString(sum[:4])
}

// saved lists the backups of a LUN, the newest first. Files with other names are somebody else's.
func (a *Activities) saved(host, lun string) (list []live.SavedVolume, _ error) {
	if a.papers == "" {
		return nil, nil
	}
	files, err := os.ReadDir(a.savedDir(host, lun))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name()
	}
	return newestFirst(names), nil
}

// newestFirst are those of the names that are of backups. What a clock that was wrong has made of the future counts as the oldest.
func newestFirst(names []string) (list []live.SavedVolume) {
	for _, name := range names {
		stamp, ok := strings.CutSuffix(name, savedSuffix)
		if at, err := time.Parse(savedLayout, stamp); ok && err == nil {
			list = append(list, live.SavedVolume{File: name, Taken: at})
		}
	}
	late := time.Now().Add(time.Hour)
	slices.SortFunc(list, func(x, y live.SavedVolume) int {
		if x.Taken.After(late) != y.Taken.After(late) {
			return x.Taken.Compare(y.Taken)
		}
		return y.Taken.Compare(x.Taken)
	})
	return list
}

// SaveVolume writes the partition table, LVM header and metadata of a volume into the state directory.
func (a *Activities) SaveVolume(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	stop := keepBeating(ctx)
	defer stop()
	p, err := params[plan.SaveVolumeParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.SaveVolume, c.Target, err)
	}
	out, err := a.saveVolume(ctx, c, p)
	return out, classify(plan.SaveVolume, c.Target, err)
}

func (a *Activities) saveVolume(ctx context.Context, c plan.Call, p plan.SaveVolumeParams) (plan.Outcome, error) {
	if a.papers == "" {
		return plan.Outcome{}, refuse(fault.Unsupported, "this worker has no state directory to write backups into")
	}
	h, err := a.lunHost(p.Host)
	if err != nil {
		return plan.Outcome{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	lu, err := h.same(ctx, c, p.LUN, p.Device)
	if err != nil {
		return plan.Outcome{}, err
	}
	device := h.open(ctx, p.Device, p.Dataset, lu.Size, vmfs.BackupMost)
	v, err := vmfs.Inspect(device, lu.Size)
	switch {
	case err != nil && ofTheDevice(err):
		return plan.Outcome{}, refuse(fault.State, "the volume cannot be read: %w; look at it: nightshift run vmfs-inspect -p lun=%s", err, p.LUN)
	case err != nil:
		return plan.Outcome{}, hint(err)
	}
	b, file, err := a.save(c, h, lu, v, device)
	if err != nil {
		return plan.Outcome{}, hint(err)
	}
	gone, err := a.letGo(p.Host, p.LUN, p.Keep)
	if err != nil {
		return plan.Outcome{}, err
	}
	note := fmt.Sprintf("%q, %s, in %s", b.Label, words.Count(len(b.Pieces), "piece"), file)
	if gone > 0 {
		note += "; " + words.Count(gone, "older file") + " removed"
	}
	return plan.Outcome{Note: note, Acted: true, Evidence: fmt.Sprintf("checksums of %s read back", words.Count(len(b.Pieces), "piece"))}, nil
}

// same is the LUN as it is now, where it is the one that was planned with.
func (h lunHost) same(ctx context.Context, c plan.Call, name, device string) (live.LUN, error) {
	lu, err := h.find(ctx, name)
	switch {
	case err != nil:
		return lu, err
	case lu.Device != device:
		return lu, refuse(fault.Identity, "logical unit %s of storage host %s is on %s now, it was on %s", name, h.Name, lu.Device, device)
	case lu.NAA != c.Target.UUID:
		return lu, refuse(fault.Identity, "logical unit %s of storage host %s is naa.%s now, it was naa.%s", name, h.Name, lu.NAA, c.Target.UUID)
	}
	return lu, nil
}

// save writes a backup of what v is and reads it back. It answers where it is.
func (a *Activities) save(c plan.Call, h lunHost, lu live.LUN, v vmfs.Volume, device *vmfs.Remote) (vmfs.Backup, string, error) {
	b := vmfs.Backup{Taken: time.Now().UTC().Truncate(time.Second), Run: c.Run, Lab: c.Lab, Host: h.Name, Device: lu.Device, Dataset: lu.Dataset, LUN: lu.Name,
		NAA: lu.NAA, Serial: lu.Serial, Size: lu.Size}
	b.Describe(v)
	var file bytes.Buffer
	b, err := vmfs.WriteBackup(&file, device, b)
	if err != nil {
		return b, "", err
	}
	path := filepath.Join(a.savedDir(h.Name, lu.Name), b.Taken.Format(savedLayout)+savedSuffix)
	if err := writeFile(path, file.String()); err != nil {
		return b, "", err
	}
	back, err := os.Open(path)
	if err != nil {
		return b, "", err
	}
	defer back.Close()
	if _, _, err := vmfs.ReadBackup(back); err != nil {
		return b, "", fmt.Errorf("read %s back: %w", path, err)
	}
	return b, path, nil
}

// letGo removes the oldest backups of a LUN until so many are left.
func (a *Activities) letGo(host, lun string, keep int) (int, error) {
	list, err := a.saved(host, lun)
	if err != nil || len(list) <= keep {
		return 0, err
	}
	for _, s := range list[keep:] {
		if err := os.Remove(filepath.Join(a.savedDir(host, lun), s.File)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return len(list) - keep, nil
}
