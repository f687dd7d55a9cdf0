// Package liosim is a storage host with Linux' LIO and zvols, without either: a directory, in which the very scripts that run on a real
// host do what they do there, while a few functions of the shell stand for the kernel. It is for tests and the simulated lab.
package liosim

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/iscsi"
	"nightshift/internal/sshexec"
)

//go:embed kernel.sh
var kernel string

// A Host is such a storage host. Its methods are safe one after the other, not at the same time; but for Act with the program, which
// lets one at a time change something, as on a real host.
type Host struct {
	dir       string
	addresses []string
	volumes   int
}

// New makes a host in an empty directory, which stays the caller's. Portals are the addresses, with port, that it can listen on.
func New(dir string, portals ...string) (*Host, error) {
	h := &Host{dir: dir, addresses: portals}
	for _, d := range []string{"block", "dev/zvol", "etc", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil { //nolint:gosec // as on a host
			return nil, err
		}
	}
	return h, nil
}

// Path is where a file of the host lies in the directory: /etc/target/saveconfig.json. Configfs lies under /config.
func (h *Host) Path(path string) string {
	if rest, found := strings.CutPrefix(path, "/sys/kernel/config"); found {
		path = "/config" + rest
	}
	return filepath.Join(h.dir, path)
}

// RemoveVolume takes a zvol's device away; what LIO has open of it goes on.
func (h *Host) RemoveVolume(name string) error { return os.Remove(h.Path("/dev/zvol/" + name)) }

// Resize gives a zvol another size, also where LIO has it open.
func (h *Host) Resize(name string, size int64) error {
	real, err := os.Readlink(h.Path("/dev/zvol/" + name))
	if err != nil {
		return err
	}
	return os.WriteFile(h.Path("/block/"+filepath.Base(real)+"/size"), []byte(fmt.Sprint(size/512)+"\n"), 0o644) //nolint:gosec // as on a host
}

// AddVolume makes a zvol of so many bytes and gives its device as the host calls it.
func (h *Host) AddVolume(name string, size int64, volblocksize int) (string, error) {
	real := fmt.Sprintf("zd%d", h.volumes*16)
	h.volumes++
	queue := h.Path("/block/" + real + "/queue")
	link := h.Path("/dev/zvol/" + name)
	err := errors.Join(os.MkdirAll(queue, 0o755), os.MkdirAll(filepath.Dir(link), 0o755)) //nolint:gosec // as on a host
	for file, text := range map[string]string{
		h.Path("/dev/" + real):                      "",
		filepath.Join(filepath.Dir(queue), "size"):  fmt.Sprint(size / 512),
		filepath.Join(queue, "logical_block_size"):  "512",
		filepath.Join(queue, "physical_block_size"): fmt.Sprint(volblocksize),
		filepath.Join(queue, "write_cache"):         "write back",
	} {
		err = errors.Join(err, os.WriteFile(file, []byte(text+"\n"), 0o644)) //nolint:gosec // as on a host
	}
	up := strings.Repeat("../", strings.Count(name, "/")+1)
	return "/dev/zvol/" + name, errors.Join(err, os.Symlink(up+real, link))
}

// Login makes an initiator be logged in, or not, to all portal groups that know it.
func (h *Host) Login(initiator string, in bool) error {
	files, err := filepath.Glob(h.Path("/config/target/iscsi/*/tpgt_*/acls/" + initiator + "/info"))
	text := "No active iSCSI Session for Initiator Endpoint: " + initiator + "\n"
	if in {
		text = "InitiatorName: " + initiator + "\nInitiatorAlias: host\nLIO Session ID: 1   ISID: 0x00 02 3d 00 00 02  TSIH: 1  SessionType: Normal\n" +
			"Session State: TARG_SESS_STATE_LOGGED_IN\n---------------------[iSCSI Session Values]-----------------------\n" +
			"----------------------[iSCSI Connections]-------------------------\nCID: 0  Connection State: TARG_CONN_STATE_LOGGED_IN\n" +
			"   Address 10.0.0.7 TCP  StatSN: 0x6916c3e9\n"
	}
	for _, f := range files {
		err = errors.Join(err, os.WriteFile(f, []byte(text), 0o644)) //nolint:gosec // as on a host
	}
	return err
}

// Boot restarts the host: the kernel forgets all, and the unit runs.
func (h *Host) Boot(ctx context.Context) (sshexec.Result, error) {
	if err := os.RemoveAll(h.Path("/config")); err != nil {
		return sshexec.Result{}, err
	}
	return h.Act(ctx, []string{iscsi.LIOProgramPath, "boot"}, nil)
}

// Query implements iscsi.Runner.
func (h *Host) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	return h.Act(ctx, argv, nil)
}

// Act implements iscsi.Runner: it knows sh -c, and the program that iscsi installs, also behind sudo -n.
func (h *Host) Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	if len(argv) > 2 && argv[0] == "sudo" && argv[1] == "-n" {
		argv = argv[2:]
	}
	switch {
	case len(argv) > 2 && argv[0] == "sh" && argv[1] == "-c":
		argv = slices.Clone(argv)
		argv[2] = strings.ReplaceAll(argv[2], `readlink -f -- "$device"`, `readlink -f -- "`+h.dir+`$device"`)
		argv[2] = strings.ReplaceAll(argv[2], `[ "$(id -u)" = 0 ]`, "false") // the service account
		for i := 3; i < len(argv); i++ {
			argv[i] = h.place(argv[i])
		}
		res, err := h.run(ctx, argv, stdin)
		res.Stdout = bytes.ReplaceAll(res.Stdout, []byte(h.dir+"/dev/"), []byte("/dev/"))
		return res, err
	case len(argv) > 0 && argv[0] == iscsi.LIOProgramPath:
		return h.run(ctx, append([]string{"sh", "-c", h.program(), "nightshift-lio"}, argv[1:]...), stdin)
	}
	return sshexec.Result{Status: 127, Stderr: []byte("sh: 1: " + argv[0] + ": not found\n")}, nil
}

// Unheard is Act with the program over a connection that is lost: what it says reaches nobody.
func (h *Host) Unheard(ctx context.Context, args []string, stdin io.Reader) error {
	there, here, err := os.Pipe()
	if err != nil {
		return err
	}
	defer here.Close()
	if err := there.Close(); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", h.program(), "nightshift-lio"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, here, here
	return cmd.Run()
}

func (h *Host) place(path string) string {
	if strings.HasPrefix(path, "/sys/class") {
		return h.Path(strings.TrimPrefix(path, "/sys/class"))
	}
	if strings.HasPrefix(path, "/") {
		return h.Path(path)
	}
	return path
}

// program is the one that runs on a real host, in this directory and with this kernel.
func (h *Host) program() string {
	p := iscsi.LIOProgram()
	for _, path := range []string{"/sys/kernel/config/target", "/etc/nightshift-lio", "/run/nightshift-lio.lock", "/etc/rtslib-fb-target/saveconfig.json", "/etc/target/saveconfig.json"} {
		p = strings.ReplaceAll(p, path, h.Path(path))
	}
	p = strings.ReplaceAll(p, `-b "$device"`, `-e "$dev$device"`)
	p = strings.ReplaceAll(p, "want=${2:-}\n", kernel+"local_addresses='"+strings.Join(h.addresses, " ")+"'\ndev='"+h.dir+"'\n"+
		"readlink() { if [ \"$1\" = -f ]; then command readlink -f -- \"$dev$3\"; else command readlink \"$@\"; fi; }\nwant=${2:-}\n")
	return p
}

func (h *Host) run(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return sshexec.Result{}, fault.As(fault.Unreachable, err)
	}
	return sshexec.Result{Status: cmd.ProcessState.ExitCode(), Stdout: out.Bytes(), Stderr: errs.Bytes()}, nil
}
