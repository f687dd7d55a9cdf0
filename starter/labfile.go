package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/adrg/xdg"

	"nightshift/internal/inventory"
	"nightshift/internal/statedir"
	"nightshift/runbooks"
)

// A labPath is where the lab file lies.
type labPath struct {
	path string
	// asked: somebody named it, by flag or environment; it was not just lying there.
	asked bool
}

// serviceLab is the lab file of the service that packages install (deploy/systemd).
const serviceLab = "/etc/nightshift/lab.yaml"

// findLab looks for the lab file: --lab, $NIGHTSHIFT_LAB, ./lab.yaml, nightshift/lab.yaml in the XDG configuration
// directory, then serviceLab. No path: there is none that this user may look at.
func (a *app) findLab() labPath {
	if p := cmp.Or(a.global.lab, a.getenv("NIGHTSHIFT_LAB")); p != "" {
		return labPath{p, true}
	}
	for _, p := range []string{"lab.yaml", filepath.Join(a.configHome(), "nightshift", "lab.yaml"), serviceLab} {
		if _, err := os.Stat(p); err == nil {
			return labPath{p, false}
		}
	}
	return labPath{}
}

func (a *app) configHome() string { return cmp.Or(a.getenv("XDG_CONFIG_HOME"), xdg.ConfigHome) }

// loadLab reads the lab file, or where none is found that of the nightshift that runs here; there must be one.
func (a *app) loadLab() (*inventory.Lab, error) {
	p := a.findLab()
	if w, err := a.embedded(); p.path == "" && err == nil {
		p.path = w.LabFile
	}
	if p.path == "" {
		return nil, fmt.Errorf("there is no lab file: name one with --lab FILE or NIGHTSHIFT_LAB, or write ./lab.yaml (`nightshift lab import` writes a first one; `nightshift demo` needs none)")
	}
	lab, err := inventory.Load(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no lab file %s: give its path with --lab FILE", p.path)
	}
	if err == nil {
		err = runbooks.CheckLab(lab)
	}
	return lab, err
}

// labName is the lab that a verb is about: the one of the lab file, or the one that the running engine serves. Where
// both are known they must agree: a run on another lab than the one that was meant is the worst that can happen here.
func (a *app) labName(w where) (string, error) {
	p := a.findLab()
	engineNamed := w.Speed > 0 || w.Simulated || a.global.stateDir != "" // a simulated one is nowhere by chance
	if p.path == "" || w.Lab != "" && engineNamed && !p.asked {
		if w.Lab == "" {
			return "", errors.New("which lab? There is no lab file here: name one with --lab FILE or NIGHTSHIFT_LAB")
		}
		return w.Lab, nil
	}
	lab, err := a.loadLab()
	if err != nil {
		return "", err
	}
	if w.Lab != "" && w.Lab != lab.Lab {
		return "", fmt.Errorf("the nightshift that runs here (%s) serves lab %s, but %s describes lab %s: nothing was started; name the lab file that you mean with --lab, or the engine with --state-dir",
			w.Source, w.Lab, p.path, lab.Lab)
	}
	return lab.Lab, nil
}

// stateDir is where serve keeps its data and its address.
func (a *app) stateDir() (string, error) {
	return statedir.Path(cmp.Or(a.global.stateDir, a.getenv(statedir.Env)))
}

// simulatedDir is where `serve --simulate` keeps its data: never beside those of a real lab.
func simulatedDir(stateDir string) string { return filepath.Join(stateDir, "simulated") }
