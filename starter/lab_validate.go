package main

import (
	"errors"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/internal/words"
)

func newLabValidateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check the lab file without asking any machine",
		Args:  atMost(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.global.lab = args[0]
			}
			return runLabValidate(a)
		},
	}
}

// labProblem is an error of the lab file as JSON.
type labProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Field   string `json:"field,omitempty"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy,omitempty"`
}

func runLabValidate(a *app) error {
	lab, err := a.loadLab()
	if !a.json() {
		if err == nil {
			a.printf("%s is valid: lab %s, %s.\n", lab.Path, lab.Lab, labHolds(lab))
		}
		return err
	}
	problems := []labProblem{}
	var list inventory.Errors
	var one *inventory.Error
	switch {
	case errors.As(err, &list):
		for _, e := range list {
			problems = append(problems, labProblem(*e))
		}
	case errors.As(err, &one):
		problems = append(problems, labProblem(*one))
	case err != nil:
		return err
	}
	if jsonErr := a.writeJSON(map[string]any{"valid": err == nil, "problems": problems}); jsonErr != nil {
		return jsonErr
	}
	if err != nil {
		return silent(exitFailed)
	}
	return nil
}

// labHolds counts what a lab is made of: not every lab has vCenters and hosts.
func labHolds(lab *inventory.Lab) string {
	var parts []string
	for _, x := range []struct {
		n    int
		what string
	}{{len(lab.VCenters), "vCenter"}, {len(lab.Hosts), "host"}, {len(lab.StorageHosts), "storage host"}} {
		if x.n > 0 {
			parts = append(parts, words.Count(x.n, x.what))
		}
	}
	return join(parts)
}
