package simlab

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// A MachineSpec is a machine outside of the vCenter's inventory that takes commands over SSH: a vCenter appliance, say.
type MachineSpec struct {
	Name string
	// Appliance: it is the lab's vCenter. It knows service-control, and its services are those of the vCenter.
	Appliance bool
	// Takes are other commands that it carries out, by how they begin, with what they end with.
	Takes map[string]Ending
	// TakesAll: it carries out every command that it does not know, and all of them end well.
	TakesAll bool
}

// An Ending is how a command ends.
type Ending struct {
	Status int
	Output string
	After  time.Duration
}

// How long the services of an appliance take.
const (
	servicesStop  = 2 * time.Minute
	servicesStart = 5 * time.Minute
	rebootsAfter  = time.Minute // shutdown -r +1
)

// backupHistory is the file that keeps an appliance from being managed, in its first life.
const backupHistory = "/var/vmware/applmgmt/backupRestore-history.json"

// startMachines serves SSH at each of them.
func (l *Lab) startMachines() error {
	for _, spec := range l.spec.Machines {
		n := &sshNode{name: spec.Name, target: spec.Name, up: func() bool { return true }}
		files := map[string]bool{backupHistory: spec.Appliance}
		n.run = func(line string) (int, string) { return l.machineRuns(spec, files, line) }
		n.changes = func(line string) bool { return line != "service-control --status --all" }
		if err := l.startSSH(n); err != nil {
			return err
		}
		l.machines = append(l.machines, n)
	}
	return nil
}

func (l *Lab) machineRuns(spec MachineSpec, files map[string]bool, line string) (int, string) {
	line = strings.ReplaceAll(line, "'", "") // a shell would take off what is quoted for it
	for begin, e := range spec.Takes {
		if line == begin || strings.HasPrefix(line, begin+" ") {
			if e.After > 0 && !sleep(l.ctx, l.scaled(e.After)) {
				return 1, ""
			}
			return e.Status, e.Output
		}
	}
	switch {
	case !spec.Appliance:
	case line == "service-control --status --all":
		if l.VCenterUp() {
			return 0, "Running:\n vmware-vpxd vsphere-ui\n"
		}
		return 0, "Stopped:\n vmware-vpxd vsphere-ui\n"
	case line == "service-control --stop --all":
		l.stopServices()
		sleep(l.ctx, l.scaled(servicesStop))
		return 0, "Successfully stopped all services\n"
	case line == "service-control --start --all":
		sleep(l.ctx, l.scaled(servicesStart))
		l.startServices()
		return 0, "Successfully started all services\n"
	case line == "mv --backup=numbered "+backupHistory+" /var/tmp/":
		had := false
		l.read(func() { had = files[backupHistory]; files[backupHistory] = false })
		if !had {
			return 1, "mv: cannot stat '" + backupHistory + "': No such file or directory\n"
		}
		return 0, ""
	case line == "shutdown -r +1":
		l.after(rebootsAfter, func() {
			l.stopServices()
			l.after(l.spec.VCenterBoot, l.startServices)
		})
		return 0, "Shutdown scheduled\n"
	}
	if spec.TakesAll {
		return 0, "simulated\n"
	}
	return 127, "sh: " + line + ": not found\n"
}

// stopServices is a vCenter whose services stop: nobody is logged in any more, and nobody answers.
func (l *Lab) stopServices() {
	l.change(func(*touched) {
		l.vcState = vcDown
		l.vc.sessions.end()
		l.vc.born++
	})
}

// startServices lets it answer again. Its hosts were never gone.
func (l *Lab) startServices() {
	l.change(func(*touched) { l.vcState = vcUp })
}

func (l *Lab) writeMachines(w *yamlWriter, dir string) {
	if len(l.machines) == 0 {
		return
	}
	w.line("machines:")
	for _, n := range l.machines {
		w.line("  - name: %s\n    ssh:\n      address: %s\n      user: %s\n      password: file:%s\n      hostKey: %q", n.name, n.addr, sshUser,
			filepath.Join(dir, "secrets", n.secret()), n.hostKeyLine())
	}
}

// checkMachines refuses names that are there twice.
func (s *Spec) checkMachines() error {
	seen := map[string]bool{}
	for _, m := range s.Machines {
		if m.Name == "" || seen[m.Name] {
			return fmt.Errorf("simulated lab %s: machine %q: it has no name, or is given twice", s.Name, m.Name)
		}
		seen[m.Name] = true
	}
	return nil
}
