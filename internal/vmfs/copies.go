package vmfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/homefile"
	"nightshift/internal/sshexec"
)

// CopyDir is where copies of backups lie on a storage host, in the home directory of the service account: CopyDir/LAB/HOST/LUN/FILE,
// below LAB as in nightshift's own state directory.
const CopyDir = ".nightshift/vmfs"

// MaxCopy is how long a backup may be to be copied, in bytes: more than one ever is.
const MaxCopy = BackupMost + maxDescription

// The scripts that hosts are sent; all that they get is in their arguments and on standard input.
const (
	// ListCopiesScript prints the size in bytes and the name of each file in the directory $1.
	ListCopiesScript = `cd && cd "` + CopyDir + `/$1" 2>/dev/null || exit 0
for f in *.tar.gz; do
	if [ -f "$f" ]; then
		echo "$(($(wc -c <"$f"))) $f"
	fi
done`
	// ReadCopyScript prints $4 sectors of 512 bytes of the file $2 in the directory $1, $3 sectors from its beginning.
	ReadCopyScript = `cd && exec dd if="` + CopyDir + `/$1/$2" bs=512 skip="$3" count="$4"`
	// RemoveCopiesScript removes the files $2 and so on from the directory $1. One that is not there is no error.
	RemoveCopiesScript = `cd && cd "` + CopyDir + `/$1" || exit 1
shift
rm -f "$@"`
)

// A CopyRunner runs commands on a storage host. sshexec has one.
type CopyRunner interface {
	// Query runs what changes nothing. An exit status other than 0 is no error.
	Query(ctx context.Context, argv []string) (sshexec.Result, error)
	// Act runs what does, and gives it stdin. It sends the command once.
	Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error)
}

// Copies are those of the backups of one LUN on a storage host.
type Copies struct {
	run CopyRunner
	dir string
}

// A Copy is one of them: the name of the file, and its length in bytes.
type Copy struct {
	File string
	Size int64
}

var (
	copyPart = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	copyFile = regexp.MustCompile(`^[0-9][0-9A-Za-z._-]*\.tar\.gz$`)
)

// NewCopies are those of a LUN of a storage host, both by their names as parts of a path. Errors: fault.Invalid.
func NewCopies(run CopyRunner, lab, host, lun string) (*Copies, error) {
	for _, part := range []string{lab, host, lun} {
		if !copyPart.MatchString(part) || part == "." || part == ".." {
			return nil, fault.As(fault.Invalid, fmt.Errorf("%q is no name for a directory", part))
		}
	}
	return &Copies{run, path.Join(lab, host, lun)}, nil
}

// Path is where a file of them lies, for people.
func (c *Copies) Path(file string) string { return path.Join("~", CopyDir, c.dir, file) }

// List tells which there are. Files with other names than backups have are somebody else's.
func (c *Copies) List(ctx context.Context) (list []Copy, _ error) {
	res, err := c.run.Query(ctx, c.command(ListCopiesScript))
	if err = c.failed("list", res, err); err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(res.Stdout)) {
		size, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if n, err := strconv.ParseInt(size, 10, 64); err == nil && n >= 0 && copyFile.MatchString(name) {
			list = append(list, Copy{name, n})
		}
	}
	return list, nil
}

// Is reads a copy and tells whether it has these bytes.
func (c *Copies) Is(ctx context.Context, file string, want []byte) (bool, error) {
	command := func(skip, count int64) []string {
		return c.command(ReadCopyScript, file, strconv.FormatInt(skip, 10), strconv.FormatInt(count, 10))
	}
	got := make([]byte, len(want))
	switch _, err := NewRemote(ctx, c.run, int64(len(want)), MaxCopy+Sector, command).ReadAt(got, 0); {
	case err == io.EOF: //nolint:errorlint // the end itself: a connection that ended is another one
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %s: %w", c.Path(file), err)
	}
	return bytes.Equal(got, want), nil
}

// Save writes a copy: all of it or nothing. Where there is one of this name, it is replaced.
func (c *Copies) Save(ctx context.Context, file string, data []byte) error {
	if len(data) > MaxCopy || !copyFile.MatchString(file) {
		return fault.As(fault.NotDone, fault.As(fault.Invalid, fmt.Errorf("%q of %d bytes is no backup", file, len(data))))
	}
	res, err := c.run.Act(ctx, homefile.Save(path.Join(CopyDir, c.dir), file, len(data)), bytes.NewReader(data))
	return c.failed("write "+file, res, err)
}

// Remove removes copies. One that is not there is no error.
func (c *Copies) Remove(ctx context.Context, files ...string) error {
	res, err := c.run.Act(ctx, c.command(RemoveCopiesScript, files...), nil)
	return c.failed("remove files", res, err)
}

func (c *Copies) command(script string, args ...string) []string {
	return append([]string{"sh", "-c", script, "sh", c.dir}, args...)
}

func (c *Copies) failed(what string, res sshexec.Result, err error) error {
	if err == nil && res.Status != 0 {
		err = fault.As(fault.State, errors.New(res.Summary()))
	}
	if err != nil {
		return fmt.Errorf("%s in %s: %w", what, c.Path(""), err)
	}
	return nil
}
