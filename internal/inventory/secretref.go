package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"nightshift/internal/fault"
)

// A SecretRef names a secret: env:NAME, file:/path or exec:command. It is not the secret.
type SecretRef string

const (
	secretRemedy   = "name where it is kept: env:NAME, file:/path or exec:command"
	maxSecret      = 64 << 10 // bytes
	commandTimeout = 30 * time.Second
)

// Resolve reads the secret. Relative files, and the working directory of commands, are in dir, the lab file's own.
//
//   - env:NAME is an environment variable, which must not be empty.
//   - file:PATH is a file with one line, which others than its owner and group cannot read.
//   - exec:COMMAND is what a command prints, one line, within 30 s. Words and quotes are as in a shell, but there is none:
//     no variables, pipes or patterns.
//
// The empty reference is the zero Secret. Errors name the reference, never what was read, and are fault.Invalid; a
// command that runs out of time is fault.Unreachable.
func (r SecretRef) Resolve(ctx context.Context, dir string) (Secret, error) {
	if r == "" {
		return Secret{}, nil
	}
	kind, rest, err := r.split()
	if err != nil {
		return Secret{}, fault.As(fault.Invalid, err)
	}
	var raw []byte
	switch kind {
	case "env":
		raw = []byte(os.Getenv(rest))
		if len(raw) == 0 {
			err = fmt.Errorf("the environment variable %s is not set, or empty: set it where nightshift runs", rest)
		}
	case "file":
		raw, err = readSecretFile(dir, rest)
	case "exec":
		raw, err = runSecretCommand(ctx, dir, rest)
	}
	if err == nil {
		raw, err = oneLine(string(r), raw)
	}
	switch {
	case errors.Is(err, fault.Unreachable):
		return Secret{}, err
	case err != nil:
		return Secret{}, fault.As(fault.Invalid, err)
	}
	return NewSecret(string(raw)), nil
}

// Check tells whether the reference has a form that Resolve knows; the empty one has. The error never quotes it.
func (r SecretRef) Check() error {
	if r == "" {
		return nil
	}
	_, _, err := r.split()
	return err
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// split tells the kind from the rest, and checks the form. Its errors never quote a reference that is none, as that is
// most likely the secret itself.
func (r SecretRef) split() (kind, rest string, err error) {
	kind, rest, ok := strings.Cut(string(r), ":")
	if !ok {
		return "", "", errors.New("this is not a reference to a secret: " + secretRemedy)
	}
	switch kind {
	case "env":
		if !envName.MatchString(rest) {
			return "", "", errors.New("env: wants the name of an environment variable: letters, digits and _")
		}
	case "file":
		if rest == "" {
			return "", "", errors.New("file: wants the path of a file")
		}
	case "exec":
		if _, err := splitWords(rest); err != nil {
			return "", "", fmt.Errorf("exec: %w", err)
		}
	default:
		return "", "", errors.New("this is not a reference to a secret: " + secretRemedy)
	}
	return kind, rest, nil
}

func readSecretFile(dir, path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	info, err := os.Stat(path) // before Open, which waits at a pipe for somebody to write
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the secret: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o027 != 0: // Windows has no such modes
		return nil, fmt.Errorf("%s has mode %04o: others may read or change it: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	return b, nil
}

// runSecretCommand says nothing of what the command printed: either stream may hold the secret.
func runSecretCommand(ctx context.Context, dir, command string) ([]byte, error) {
	words, err := splitWords(command)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	var out limitedBuffer
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) // the lab file's owner chose the command
	cmd.Dir, cmd.Stdout, cmd.WaitDelay = dir, &out, time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fault.As(fault.Unreachable, fmt.Errorf("the command %s did not end in time (%s): %w", words[0], commandTimeout, ctx.Err()))
	case errors.As(err, &exit):
		return nil, fmt.Errorf("the command %s failed (%s): run it by hand to see why", words[0], exit.ProcessState)
	case err != nil:
		return nil, fmt.Errorf("run the command for the secret: %w", err)
	}
	return out.Bytes(), nil
}

// oneLine cuts the newline at the end, and refuses what cannot be meant as one secret.
func oneLine(ref string, b []byte) ([]byte, error) {
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("%s gave an empty secret", source(ref))
	case len(b) > maxSecret:
		return nil, fmt.Errorf("%s gave more than %d KiB", source(ref), maxSecret>>10)
	case bytes.ContainsAny(b, "\r\n\x00"):
		return nil, fmt.Errorf("%s gave more than one line: it must be the secret only", source(ref))
	}
	return b, nil
}

// IsCommand says that a command is run for the secret.
func (r SecretRef) IsCommand() bool { return strings.HasPrefix(string(r), "exec:") }

// Source names the reference for people.
func (r SecretRef) Source() string { return source(string(r)) }

// source is a reference without the arguments of its command, which may be secret themselves.
func source(ref string) string {
	if command, ok := strings.CutPrefix(ref, "exec:"); ok {
		if words, err := splitWords(command); err == nil {
			return "exec:" + words[0]
		}
	}
	return ref
}

// A limitedBuffer keeps a little more than a secret may have, and swallows the rest.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	keep := min(len(p), max(0, maxSecret+1-b.Len()))
	b.Buffer.Write(p[:keep])
	return len(p), nil
}
