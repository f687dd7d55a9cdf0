package runbooks

import (
	"errors"
	"fmt"

	"nightshift/internal/inventory"
)

// CheckLab holds a lab file against the catalog: the runbooks of its schedules, and what they are told. What is wrong is an
// inventory.Errors.
func CheckLab(lab *inventory.Lab) error {
	var wrong []*inventory.Error
	var names []string
	files, _ := lab.RunbookFiles() // a directory that cannot be read, and files that are wrong, are told where they are used
	catalog, _ := CatalogWith(files)
	for _, r := range catalog {
		names = append(names, r.Name)
	}
	for i, s := range lab.Schedules {
		at := fmt.Sprintf("schedules[%d]", i)
		rb, ok := Find(catalog, s.Runbook)
		if !ok {
			wrong = append(wrong, lab.Complain(at+".runbook", fmt.Sprintf("there is no runbook %q", s.Runbook), inventory.Allowed(s.Runbook, names)))
			continue
		}
		remedy := "see `nightshift runbook show " + rb.Name + "`"
		params, err := rb.Check(s.Parameters)
		if err == nil {
			err, remedy = rb.CheckNames(lab, params), ""
		}
		if bad := (*ParameterError)(nil); errors.As(err, &bad) {
			wrong = append(wrong, lab.Complain(at+".parameters."+bad.Parameter, bad.Text, remedy))
		}
	}
	return inventory.AsError(wrong)
}
