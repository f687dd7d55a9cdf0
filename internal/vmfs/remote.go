package vmfs

import (
	"context"
	"fmt"
	"io"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/sshexec"
)

// How a Remote reads, in bytes.
const (
	// chunk is what one command reads at least: 64 sectors hold either copy of a GPT, and nothing else is near.
	chunk = 64 * Sector
	// stretch is what one command reads at most: what it prints has to fit sshexec.MaxOutput.
	stretch = 512 << 10
	// InspectMost is more than Inspect and Hexdump ever need of a device.
	InspectMost = 4 << 20
)

// A Remote is a block device or a file on a machine that is reached over SSH. It is an io.ReaderAt that fetches only what it is
// asked for, once, and no more than it may. It is not for concurrent use.
type Remote struct {
	ctx     context.Context // io.ReaderAt has none: a Remote lives as long as one look at a device
	run     sshexec.Runner
	command func(skip, count int64) []string
	size    int64
	left    int64
	chunks  map[int64][]byte
}

// NewRemote makes one. command is the command that prints count sectors of 512 bytes, skip sectors from the beginning: dd, or a
// program that runs it. size is that of the device in bytes; 0: not known. No more than most bytes are ever fetched.
func NewRemote(ctx context.Context, run sshexec.Runner, size, most int64, command func(skip, count int64) []string) *Remote {
	return &Remote{ctx: ctx, run: run, command: command, size: size, left: most, chunks: map[int64][]byte{}}
}

// Dd is a command for NewRemote that reads a device or file by its path.
func Dd(path string) func(skip, count int64) []string {
	return func(skip, count int64) []string {
		return []string{"dd", "if=" + path, "bs=512", fmt.Sprintf("skip=%d", skip), fmt.Sprintf("count=%d", count)}
	}
}

// SizeScript prints how many bytes a block device or a file has; 0: the system does not tell. It is for sh, and takes the path.
const SizeScript = `if [ -b "$1" ] && [ -d /sys/class/block ]; then
	device=$(readlink -f "$1") && sectors=$(cat "/sys/class/block/${device##*/}/size") && echo $((sectors * 512))
elif [ -f "$1" ]; then
	wc -c <"$1"
elif [ -e "$1" ]; then
	echo 0
else
	echo "there is no $1" >&2
	exit 1
fi`

// ReadAt implements io.ReaderAt. Errors beside io.EOF: those of the runner; fault.State where the command fails; fault.Permission
// where it says that it may not read; fault.Invalid where more is asked for than may be fetched.
func (r *Remote) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 {
		return 0, fault.As(fault.Invalid, fmt.Errorf("read at byte %d", at))
	}
	n := 0
	for n < len(b) {
		from := at + int64(n)
		start := from / chunk * chunk
		part, err := r.chunk(start, (from+int64(len(b)-n)-start+chunk-1)/chunk*chunk)
		if err != nil {
			return n, err
		}
		if from-start >= int64(len(part)) {
			return n, io.EOF
		}
		n += copy(b[n:], part[from-start:])
	}
	return n, nil
}

// chunk answers what lies at the byte, which is a multiple of chunk: of so many bytes, or less. More than one chunk is not kept.
func (r *Remote) chunk(start, want int64) ([]byte, error) {
	if b, ok := r.chunks[start]; ok {
		return b, nil
	}
	want = min(want, stretch)
	if r.size > 0 {
		want = min(want, (r.size-start+Sector-1)/Sector*Sector)
	}
	if want <= 0 {
		return nil, nil
	}
	if r.left -= want; r.left < 0 {
		return nil, fault.As(fault.Invalid, fmt.Errorf("more of the device is asked for than is ever needed: %d bytes at byte %d", want, start))
	}
	b, err := r.fetch(start/Sector, want/Sector)
	if err == nil && want <= chunk {
		r.chunks[start] = b
	}
	return b, err
}

func (r *Remote) fetch(skip, count int64) ([]byte, error) {
	argv := r.command(skip, count)
	res, err := r.run.Query(r.ctx, argv)
	if err != nil {
		return nil, err
	}
	if res.Status != 0 {
		kind := fault.State
		if said := string(res.Stderr); strings.Contains(said, "ermission denied") || sshexec.NotElevated(res) || strings.Contains(said, "not allowed to") {
			kind = fault.Permission
		}
		return nil, fault.As(kind, fmt.Errorf("`%s`: %s", strings.Join(argv, " "), res.Summary()))
	}
	if int64(len(res.Stdout)) > count*Sector {
		return nil, fault.As(fault.Unsupported, fmt.Errorf("`%s` prints %d bytes, %d were asked for", strings.Join(argv, " "), len(res.Stdout), count*Sector))
	}
	return res.Stdout, nil
}
