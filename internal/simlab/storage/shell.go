package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/homefile"
	"nightshift/internal/identity"
	"nightshift/internal/iscsi"
	"nightshift/internal/vmfs"
	"nightshift/internal/zfs"
)

const notFound = 127

// How long commands take that move no data.
const takeCommand = 100 * time.Millisecond

// run is what exec does: it finds the program. What stands in front of it (env, sudo) is taken off first.
func (c *call) run(ctx context.Context) Exit {
	argv, elevated := stripped(c.argv)
	if elevated && c.p.user != root && (len(argv) == 0 || !mayElevate[argv[0]]) {
		c.say("sudo: a password is required")
		return Exit{Status: 1}
	}
	c.mu.Lock()
	c.argv, c.p.args = argv, argv
	if elevated {
		c.p.user = root
	}
	c.mu.Unlock()
	if len(argv) == 0 {
		return Exit{}
	}
	return c.program(ctx, argv)
}

const root = "root"

// mayElevate is what the service account may run as root: what `nightshift lab prepare-storage` lets it.
var mayElevate = map[string]bool{iscsi.LIOProgramPath: true, readProgram: true, writeTableProgram: true}

func (c *call) program(ctx context.Context, argv []string) Exit {
	switch argv[0] {
	case "zfs":
		return c.tool(argv, func(out, errs *bytes.Buffer) int { return c.zfs(argv[1:], out, errs) })
	case "zpool":
		return c.tool(argv, func(out, errs *bytes.Buffer) int { return c.zpool(argv[1:], out, errs) })
	case "sh":
		return c.script(ctx, argv)
	case "ssh":
		return c.ssh(ctx, argv[1:])
	case "mbuffer":
		limit, _ := strconv.ParseInt(argv[len(argv)-1], 10, 64) // direct has read it
		return c.mbuffer(limit)
	case readProgram:
		return c.readZvol(argv[1:])
	case writeTableProgram:
		return c.writeTable(argv[1:])
	case iscsi.LIOProgramPath:
		return c.lio(ctx, argv)
	case "true", "sync":
		return Exit{}
	case "false":
		return Exit{Status: 1}
	case "echo":
		fmt.Fprintln(c.out, strings.Join(argv[1:], " "))
		return Exit{}
	case "hostname":
		fmt.Fprintln(c.out, c.cfg.Name)
		return Exit{}
	}
	c.say("sh: 1: %s: not found", argv[0])
	return Exit{Status: notFound}
}

// say prints a line on standard error.
func (c *call) say(format string, args ...any) { fmt.Fprintf(c.err, format+"\n", args...) }

// tool runs zfs or zpool: what it does, it does at one moment; then it prints.
func (c *call) tool(argv []string, do func(out, errs *bytes.Buffer) int) Exit {
	if len(argv) > 1 && (argv[1] == "send" || argv[1] == "receive" || argv[1] == "recv") {
		return c.stream(argv)
	}
	c.sleep(takeCommand, c.p.gone)
	var out, errs bytes.Buffer
	status := 0
	if !c.locked(func() { status = do(&out, &errs) }) {
		return Exit{}
	}
	_, _ = c.out.Write(out.Bytes()) // who read it may be gone
	_, _ = c.err.Write(errs.Bytes())
	return Exit{Status: status}
}

// locked does something to the host, unless the process was killed.
func (c *call) locked(do func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.p.dead() {
		return false
	}
	do()
	return true
}

// script runs one of the scripts that hosts are sent. Others are not understood: there is no shell here.
func (c *call) script(ctx context.Context, argv []string) Exit {
	if len(argv) < 3 || argv[1] != "-c" {
		c.say("sh: 1: the simulated host takes no interactive shell")
		return Exit{Status: 2}
	}
	var args []string
	if len(argv) > 4 {
		args = argv[4:]
	}
	switch argv[2] {
	case zfs.SystemScript:
		fmt.Fprintf(c.out, "Linux\n6.1.0-40-amd64\nclock %d\nzfs-%s\nzfs-kmod-%s\n", c.now().Unix(), version, version)
		return Exit{}
	case zfs.StaleScript:
		return c.endReceivers(args)
	case zfs.DirectScript:
		return c.direct(ctx, args)
	case homefile.SaveScript:
		return c.saveFile(args)
	case identity.ListScript:
		return c.listRecords()
	case identity.ReadScript:
		return c.readRecord(args)
	case vmfs.ListCopiesScript:
		return c.listCopies(args)
	case vmfs.ReadCopyScript:
		return c.readCopy(args)
	case vmfs.RemoveCopiesScript:
		return c.removeCopies(args)
	case iscsi.LIOReadScript():
		return c.lio(ctx, argv)
	case vmfs.SizeScript:
		return c.deviceSize(args)
	}
	if simple := strings.Fields(argv[2]); len(simple) > 0 && !strings.ContainsAny(argv[2], "|&;<>()$`\\\"'*?[#~=%\n") {
		return c.program(ctx, simple)
	}
	c.say("sh: 1: the simulated host does not know this script")
	return Exit{Status: notFound}
}

// endReceivers is zfs.StaleScript.
func (c *call) endReceivers(args []string) Exit {
	if len(args) != 2 {
		return Exit{Status: 2}
	}
	var ours []*process
	c.locked(func() {
		for _, p := range c.procs {
			a := p.args
			if p.user == c.p.user && len(a) > 4 && strings.Join(a[:4], " ") == "zfs receive -s -u" && a[len(a)-1] == args[0] {
				ours = append(ours, p)
			}
		}
	})
	var pids []string
	for _, p := range ours {
		pids = append(pids, fmt.Sprint(p.pid))
		p.kill("TERM")
	}
	if len(pids) > 0 {
		c.sleep(time.Second, c.p.gone)
		fmt.Fprintln(c.out, strings.Join(pids, " "))
	}
	return Exit{}
}

// words takes a command line apart as a shell does, as far as such lines go that consist of words and quotes.
func words(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	begun := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("Syntax error: Unterminated quoted string") //nolint:staticcheck // in the words of sh
			}
			word.WriteString(line[i+1 : i+1+end])
			i, begun = i+1+end, true
		case c == '\\' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			begun = true
		case c == ' ' || c == '\t':
			if begun {
				out = append(out, word.String())
				word.Reset()
				begun = false
			}
		case strings.IndexByte("|&;<>()$`\"*?[#~\n", c) >= 0:
			return nil, fmt.Errorf("the simulated host takes lists of words, not a shell's %q", c)
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		out = append(out, word.String())
	}
	return out, nil
}
