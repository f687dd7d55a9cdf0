package activities

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/vmfs"
	"nightshift/internal/words"
)

// A copyStep has the newest backup of a LUN lie on another storage host, too.
type copyStep struct {
	p      plan.CopyBackupParams
	copies *vmfs.Copies
	file   string
	data   []byte
	sent   bool
	gone   int // older copies that were removed
}

// CopyBackup copies the newest backup of a LUN to another storage host.
func (a *Activities) CopyBackup(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.CopyBackup, call: c, prepare: from(c, func(_ context.Context, p plan.CopyBackupParams) (verb, error) {
		s, err := a.copyStep(c, p)
		if err != nil {
			return verb{}, err
		}
		const save = "save"
		return verb{read: s.read, finish: s.letGo, remark: s.remark,
			first: func(context.Context, *seen) (string, error) { return save, nil },
			calls: map[string]call{save: {words: "the copy of " + s.file + " to " + p.To, limit: zfsLimit, harmless: true,
				send: func(ctx context.Context, _ seen) (string, error) {
					s.sent = true
					return "", certainlyNot(s.copies.Save(ctx, s.file, s.data))
				}}}}, nil
	})})
}

// copyStep reads the backup, which has to be whole, and of this LUN.
func (a *Activities) copyStep(c plan.Call, p plan.CopyBackupParams) (*copyStep, error) {
	h, err := a.lunHost(p.To)
	if err != nil {
		return nil, err
	}
	s := &copyStep{p: p}
	if s.copies, err = vmfs.NewCopies(h.run, c.Lab, directory(p.Host), directory(p.LUN)); err != nil {
		return nil, err
	}
	list, err := a.saved(p.Host, p.LUN)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, refuse(fault.NotFound, "there is no backup of logical unit %s of storage host %s to copy", p.LUN, p.Host)
	}
	s.file = list[0].File
	path := filepath.Join(a.savedDir(p.Host, p.LUN), s.file)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if s.data, err = io.ReadAll(io.LimitReader(f, vmfs.MaxCopy+1)); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	b, _, err := vmfs.ReadBackup(bytes.NewReader(s.data))
	switch {
	case err != nil:
		return nil, refuse(fault.State, "%s: %w", path, err)
	case b.Host != p.Host || b.NAA != c.Target.UUID:
		return nil, refuse(fault.Identity, "%s is of naa.%s on %s, the LUN is naa.%s on %s", path, b.NAA, b.Host, c.Target.UUID, p.Host)
	}
	return s, nil
}

// read reads the copy back, every byte.
func (s *copyStep) read(ctx context.Context) (seen, error) {
	list, err := s.copies.List(ctx)
	if err != nil {
		return seen{}, err
	}
	whole := slices.Contains(list, vmfs.Copy{File: s.file, Size: int64(len(s.data))})
	if whole {
		if whole, err = s.copies.Is(ctx, s.file, s.data); err != nil {
			return seen{}, err
		}
	}
	if !whole {
		return seen{state: fmt.Sprintf("without the copy %s on %s", s.copies.Path(s.file), s.p.To)}, nil
	}
	return seen{done: true, state: fmt.Sprintf("with a copy on %s, %s, read back byte by byte", s.p.To, s.copies.Path(s.file))}, nil
}

// letGo removes the oldest copies until so many are left. The one that is the step's stays.
func (s *copyStep) letGo(ctx context.Context, _ seen) error {
	list, err := s.copies.List(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, c := range list {
		if c.File != s.file {
			names = append(names, c.File)
		}
	}
	var old []string
	for i, c := range newestFirst(names) {
		if i >= s.p.Keep-1 {
			old = append(old, c.File)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := s.copies.Remove(ctx, old...); err != nil {
		return err
	}
	s.gone = len(old)
	return nil
}

func (s *copyStep) remark() string {
	var list []string
	if s.sent {
		list = append(list, "in "+s.copies.Path(s.file)+", read back")
	}
	if s.gone > 0 {
		list = append(list, words.Count(s.gone, "older copy")+" removed")
	}
	return strings.Join(list, "; ")
}
