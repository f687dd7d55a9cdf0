package storagesetup

import (
	"fmt"
	"strings"
)

// Tried says that the host runs a system on which all of this was tried, and is done. On others it is only shown.
func (m *Machine) Tried() bool { return m.system == "Linux" }

// manual shows what a person does on a system on which this was never tried: illumos and its relatives. The profile lets the
// account run zfs by pfexec; the lists of permissions are smaller, and enough where the target is not changed.
func manual(w Want, system string) []Thing {
	t := func(what string, how ...string) Thing {
		return Thing{Host: w.Name, What: what, State: Manual, How: strings.Join(how, "; ")}
	}
	list := []Thing{t("this host runs "+system, "what follows is shown and not done: it was not tried there")}
	if system != "SunOS" {
		list = append(list, t("the account "+w.Account, "make it, with a home directory and without a password"))
	} else {
		list = append(list, t("the account "+w.Account, fmt.Sprintf("useradd -m -d /export/home/%s -s /bin/sh %s", w.Account, w.Account), "passwd -N "+w.Account))
		if w.Elevate != "none" {
			list = append(list, t("what it may run by pfexec", fmt.Sprintf("usermod -P 'ZFS File System Management,iSCSI Target Management,SCSI Target Management' %s", w.Account)))
		}
	}
	if w.Login != "" {
		list = append(list, t("nightshift logs in as "+w.Account, fmt.Sprintf("~%s/%s: restrict %s nightshift", w.Account, authorizedKeys, withoutComment(w.Login))))
	}
	if w.Sends {
		list = append(list, t("its key for the hosts that it sends to", fmt.Sprintf("ssh-keygen -q -t ed25519 -N '' -C nightshift:%s -f ~%s/%s", w.Name, w.Account, KeyFile)))
	}
	for _, name := range w.From {
		list = append(list, t(name+" sends to it", fmt.Sprintf("~%s/%s: restrict, and the key of %s", w.Account, authorizedKeys, name)))
	}
	for _, p := range w.Known {
		list = append(list, t("knows "+p.Name, fmt.Sprintf("~%s/%s: %s", w.Account, knownHostsFile, p.line())))
	}
	for _, d := range w.Sources {
		list = append(list, t(fmt.Sprintf("what %s may do with %s", w.Account, d), typed(allowCommand("allow", w.Account, sourcePermissions, d))))
	}
	for _, d := range w.Targets {
		list = append(list, t(fmt.Sprintf("what %s may do with %s", w.Account, d), typed(allowCommand("allow", w.Account, targetPermissions, d))))
	}
	return list
}
