package main

import (
	"cmp"
	"context"

	"nightshift/internal/labimport"
)

// runImportRecords is `lab import --from-record`.
func runImportRecords(ctx context.Context, a *app, o importOptions) error {
	switch {
	case o.vcenter != "" || o.user != "" || o.password != "" || o.fingerprint != "" || o.ca != "":
		return usage("--from-record: what a vCenter tells is imported without it: --vcenter, --user, --password, --fingerprint and --ca do not go with it")
	case o.name != "" && labimport.LabName(o.name) != o.name:
		return usage("--name %s: lower-case letters, digits and dashes, at most 40", o.name)
	}
	path := cmp.Or(o.out, a.global.lab, a.getenv("NIGHTSHIFT_LAB"), "lab.yaml")
	replace, err := a.mayOverwrite(ctx, o, path)
	if err != nil {
		return err
	}
	in := labimport.Records{Lab: o.name}
	var places []placeRecords
	for _, place := range o.fromRecords {
		p, err := a.recordsAt(ctx, o.records, place, nil)
		if err != nil {
			return err
		}
		places = append(places, p)
	}
	if len(places) == 1 {
		in.Host = places[0].host
	}
	in.Found, in.Bad = together(places)
	if err := noRecords(in.Found, in.Bad); err != nil {
		return err
	}
	a.warnBad(in.Bad)
	text, err := labimport.WriteRecords(in)
	if err != nil {
		return err
	}
	return a.writeImported(path, text, replace, []nextStep{
		{`look for "# ?" in it`, "are there a vCenter and hosts here, and is the source still there?"},
		{"nightshift lab trust", "record certificates and host keys of what you filled in"},
		{"nightshift lab check --problems", "what is not in order yet"},
		{"nightshift lab record " + o.fromRecords[0], "what the records say of LUNs and VMs"}})
}
