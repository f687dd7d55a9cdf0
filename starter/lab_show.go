package main

import (
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
)

func newLabShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show the lab as the lab file has it, defaults filled in",
		Args:  atMost(0),
		RunE:  func(*cobra.Command, []string) error { return runLabShow(a) },
	}
}

func runLabShow(a *app) error {
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(lab)
	}
	p := a.paint()
	a.printf("%s\n%s\n", p.on(bold, "Lab "+lab.Lab), lab.Path)
	a.printf("nightshift runs %s\n\n", selfText(lab.Self))
	var rows [][]string
	for _, v := range lab.VCenters {
		rows = append(rows, []string{v.Name, v.URL, v.User, trustText(v.TLS), vcenterGuest(lab, v.Name)})
	}
	table(a.out, p, []string{"VCENTER", "URL", "USER", "TRUST", "RUNS IN GUEST"}, rows)
	a.printf("\n")
	rows = nil
	for _, h := range lab.Hosts {
		bmc := "none"
		if h.BMC != nil {
			bmc = h.BMC.URL + " (" + trustText(h.BMC.TLS) + ")"
		}
		if w := h.WakeOnLAN; w != nil {
			bmc = "none, wakes by " + w.MAC
		}
		direct := "none"
		if h.ESXi != nil {
			direct = h.ESXi.URL + " (" + trustText(h.ESXi.TLS) + ")"
		}
		rows = append(rows, []string{h.Name, h.VCenter, h.Address, bmc, direct, provisions(h.Provides), keepText(h.Keep)})
	}
	table(a.out, p, []string{"HOST", "VCENTER", "IN VCENTER", "BMC", "OWN API", "PROVIDES", ""}, rows)
	guestRows := [][]string{}
	for i := range lab.Guests {
		g := &lab.Guests[i]
		policy := lab.GuestPolicy(g)
		guestRows = append(guestRows, []string{g.Name, provisions(g.Provides), strings.Join(g.After, ", "),
			policy.Method + " " + policy.Timeout.String() + ", then " + inventory.InFile(policy.OnTimeout), keepText(g.Keep)})
	}
	if len(guestRows) > 0 {
		a.printf("\n")
		table(a.out, p, []string{"GUEST", "PROVIDES", "AFTER", "DOWN BY", ""}, guestRows)
	}
	a.printf("\nTags: %s is left alone, %s is started by power-up\n", lab.Tags.Keep, lab.Tags.Start)
	return nil
}

func vcenterGuest(lab *inventory.Lab, vcenter string) string {
	g, ok := lab.VCenterGuest(vcenter)
	if !ok {
		return ""
	}
	return g.Name
}

func provisions(list []inventory.Provision) string {
	var words []string
	for _, p := range list {
		words = append(words, string(p))
	}
	return strings.Join(words, ", ")
}

func selfText(s inventory.Self) string {
	switch {
	case s.Guest != "":
		return "in guest " + s.Guest + " of this lab"
	case s.Host != "":
		return "on host " + s.Host + " of this lab"
	}
	return "outside the lab"
}

func trustText(t inventory.TLS) string {
	text := "system CAs"
	switch {
	case t.Fingerprint != "":
		text = "fingerprint " + cut(t.Fingerprint, 12)
	case t.CA != "":
		text = "CA " + t.CA
	}
	if t.Legacy {
		text += ", legacyTLS"
	}
	return text
}

func keepText(keep bool) string {
	if keep {
		return "kept on"
	}
	return ""
}
