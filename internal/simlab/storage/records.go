package storage

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/vmfs"
)

// How the scripts of identity records end.
const (
	didNot     = 1
	noSuchFile = 44
)

// saveFile is homefile.SaveScript.
func (c *call) saveFile(args []string) Exit {
	if len(args) != 3 {
		return Exit{Status: usage}
	}
	path, size := "/home/"+c.p.user+"/"+args[0]+"/"+args[1], args[2]
	text, err := io.ReadAll(io.LimitReader(c.in, maxFile))
	if err != nil {
		return Exit{Status: didNot}
	}
	if strconv.Itoa(len(text)) != size {
		c.say("not all of it arrived")
		return Exit{Status: didNot}
	}
	c.sleep(takeCommand, c.p.gone)
	c.locked(func() { c.files[path] = text })
	return Exit{}
}

// maxFile is how long a file gets, in bytes.
const maxFile = vmfs.MaxCopy

// home is where a record lies, as a path.
func (c *call) home(name string) string { return "/home/" + c.p.user + "/.nightshift/records/" + name }

// listRecords is identity.ListScript.
func (c *call) listRecords() Exit {
	c.sleep(takeCommand, c.p.gone)
	var names []string
	c.locked(func() {
		for path := range c.files {
			if name, is := strings.CutPrefix(path, c.home("")); is {
				names = append(names, name)
			}
		}
	})
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintln(c.out, n)
	}
	return Exit{}
}

// readRecord is identity.ReadScript.
func (c *call) readRecord(args []string) Exit {
	if len(args) != 1 {
		return Exit{Status: 2}
	}
	c.sleep(takeCommand, c.p.gone)
	var text []byte
	is := false
	c.locked(func() { text, is = c.files[c.home(args[0])] })
	if !is {
		return Exit{Status: noSuchFile}
	}
	_, _ = c.out.Write(text) // who asked may be gone
	return Exit{}
}

// File is a file in the home directory of the service account, and SetFile puts one there; nil: there is none.
func (h *Host) File(name string) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.files["/home/"+h.cfg.Account+"/"+name])
}

// SetFile makes, or with nil removes, a file in the home directory of the service account.
func (h *Host) SetFile(name string, content []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	path := "/home/" + h.cfg.Account + "/" + name
	if delete(h.files, path); content != nil {
		h.files[path] = slices.Clone(content)
	}
}
