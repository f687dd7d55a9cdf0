package storagesetup

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/sshexec"
)

// A fake is a storage host in a directory: real shells, files and keys, and programs of testdata/bin for the rest.
type fake struct {
	t    *testing.T
	dir  string
	acts int
	lose int // the answer of this act is lost; 0: none
}

func newFake(t *testing.T, datasets ...string) (*fake, *Machine) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("needs ssh-keygen (Debian: openssh-client), which is not installed")
	}
	f := &fake{t: t, dir: t.TempDir()}
	for _, d := range []string{"/usr/local/sbin", "/etc/sudoers.d", "/etc/systemd/system", "/var/lib"} {
		require.NoError(t, os.MkdirAll(f.dir+d, 0o755))
	}
	f.write("passwd", "root:x:0:0::/root:/bin/sh\n")
	f.write("datasets", strings.Join(datasets, "\n")+"\n")
	f.write("allow", "")
	f.write("calls", "")
	bin, err := filepath.Abs("testdata/bin")
	require.NoError(t, err)
	m := New(f, false)
	m.root, m.path = f.dir, bin+":"+os.Getenv("PATH")
	return f, m
}

func (f *fake) write(name, text string) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600))
}

func (f *fake) read(name string) string {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.dir, name))
	require.NoError(f.t, err)
	return string(b)
}

func (f *fake) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	return f.run(ctx, argv, nil)
}

func (f *fake) Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	f.acts++
	res, err := f.run(ctx, argv, stdin)
	if f.acts == f.lose {
		return sshexec.Result{}, fault.As(fault.Unreachable, io.ErrUnexpectedEOF)
	}
	return res, err
}

// run does what sshd does: the user's shell gets the quoted line.
func (f *fake) run(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	line, err := sshexec.Quote(argv)
	if err != nil {
		return sshexec.Result{}, err
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Env = append(os.Environ(), "FAKE="+f.dir)
	cmd.Stdin = stdin
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		return sshexec.Result{}, err
	}
	return sshexec.Result{Status: cmd.ProcessState.ExitCode(), Stdout: out.Bytes(), Stderr: errs.Bytes()}, nil
}

// tree is every file of the host with what it holds, but for the list of calls and private keys.
func (f *fake) tree() map[string]string {
	f.t.Helper()
	out := map[string]string{}
	require.NoError(f.t, filepath.WalkDir(f.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "calls" {
			return err
		}
		b, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, f.dir)] = string(b)
		return err
	}))
	return out
}
