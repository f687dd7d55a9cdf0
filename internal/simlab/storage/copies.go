package storage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/vmfs"
)

// copies is where copies of backups of VMFS volumes lie, as the beginning of a path.
func (c *call) copies(dir string) string {
	return "/home/" + c.p.user + "/" + vmfs.CopyDir + "/" + dir + "/"
}

// listCopies is vmfs.ListCopiesScript.
func (c *call) listCopies(args []string) Exit {
	if len(args) != 1 {
		return Exit{Status: usage}
	}
	c.sleep(takeCommand, c.p.gone)
	var lines []string
	c.locked(func() {
		for path, text := range c.files {
			if name, is := strings.CutPrefix(path, c.copies(args[0])); is && !strings.Contains(name, "/") && strings.HasSuffix(name, ".tar.gz") {
				lines = append(lines, fmt.Sprintf("%d %s", len(text), name))
			}
		}
	})
	slices.Sort(lines)
	for _, l := range lines {
		fmt.Fprintln(c.out, l)
	}
	return Exit{}
}

// readCopy is vmfs.ReadCopyScript.
func (c *call) readCopy(args []string) Exit {
	if len(args) != 4 {
		return Exit{Status: usage}
	}
	skip, err1 := strconv.ParseInt(args[2], 10, 48)
	count, err2 := strconv.ParseInt(args[3], 10, 48)
	if err1 != nil || err2 != nil || skip < 0 || count < 0 {
		c.say("dd: invalid number")
		return Exit{Status: didNot}
	}
	c.sleep(takeCommand, c.p.gone)
	var text []byte
	is := false
	c.locked(func() { text, is = c.files[c.copies(args[0])+args[1]] })
	if !is {
		c.say("dd: failed to open '%s': No such file or directory", vmfs.CopyDir+"/"+args[0]+"/"+args[1])
		return Exit{Status: didNot}
	}
	from, to := min(skip*sector, int64(len(text))), min((skip+count)*sector, int64(len(text)))
	_, _ = c.out.Write(text[from:to]) // who asked may be gone
	return Exit{}
}

// removeCopies is vmfs.RemoveCopiesScript.
func (c *call) removeCopies(args []string) Exit {
	if len(args) == 0 {
		return Exit{Status: usage}
	}
	c.sleep(takeCommand, c.p.gone)
	c.locked(func() {
		for _, name := range args[1:] {
			delete(c.files, c.copies(args[0])+name)
		}
	})
	return Exit{}
}
