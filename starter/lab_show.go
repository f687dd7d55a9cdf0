package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/internal/words"
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
	parts := showParts{app: a, paint: p}
	parts.show([]string{"VCENTER", "URL", "USER", "TRUST", "RUNS IN GUEST"}, rows)
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
	parts.show([]string{"HOST", "VCENTER", "IN VCENTER", "BMC", "OWN API", "PROVIDES", ""}, rows)
	rows = nil
	for i := range lab.Guests {
		g := &lab.Guests[i]
		policy := lab.GuestPolicy(g)
		rows = append(rows, []string{g.Name, provisions(g.Provides), strings.Join(g.After, ", "),
			policy.Method + " " + policy.Timeout.String() + ", then " + inventory.InFile(policy.OnTimeout), keepText(g.Keep)})
	}
	parts.show([]string{"GUEST", "PROVIDES", "AFTER", "DOWN BY", ""}, rows)
	parts.show(storageRows(lab))
	parts.show(protectionRows(lab))
	if len(lab.VCenters) > 0 {
		a.printf("\nTags: %s is left alone, %s is started by power-up\n", lab.Tags.Keep, lab.Tags.Start)
	}
	return nil
}

// showParts prints the tables of a lab, with a blank line between them; of what a lab does not have there is none.
type showParts struct {
	app   *app
	paint paint
	begun bool
}

func (s *showParts) show(header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	if s.begun {
		s.app.printf("\n")
	}
	s.begun = true
	table(s.app.out, s.paint, header, rows)
}

func storageRows(lab *inventory.Lab) (header []string, rows [][]string) {
	for _, h := range lab.StorageHosts {
		target := "none"
		if h.Target != nil {
			target = strings.TrimSpace(h.Target.Kind + " " + h.Target.Portal)
		}
		rows = append(rows, []string{h.Name, h.Site, h.SSH.Address, h.SSH.User, target})
	}
	return []string{"STORAGE HOST", "SITE", "ADDRESS", "USER", "TARGET"}, rows
}

func protectionRows(lab *inventory.Lab) (header []string, rows [][]string) {
	for _, g := range lab.ProtectionGroups {
		rows = append(rows, []string{g.Name, g.Source.Host + ": " + strings.Join(g.Source.Datasets, ", "), g.Target.Host + ": " + g.Target.Under, "every " + words.Written(time.Duration(g.Every))})
	}
	return []string{"GROUP", "FROM", "TO", ""}, rows
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
	text := ""
	if len(s.Needs) > 0 {
		text = ", and needs " + strings.Join(s.Needs, ", ")
	}
	return selfPlace(s) + text
}

func selfPlace(s inventory.Self) string {
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
