package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"nightshift/internal/identity"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
	"nightshift/internal/sshexec"
)

// A publication is how the LUNs of a record would be shown by a storage host.
type publication struct {
	Lab   string `json:"lab"`
	Group string `json:"group"`
	Host  string `json:"host"`
	Kind  string `json:"kind"`
	// Unproven says that nobody has tried such commands on a real target: "accept" where the lab file has them run all the same, else "ask".
	Unproven string           `json:"unproven,omitempty"`
	Source   string           `json:"source,omitempty"` // where they may still be shown; empty: that is this host
	LUNs     []publicationLUN `json:"luns"`
	NotRead  []live.Gap       `json:"notRead,omitempty"` // of the record
}

type publicationLUN struct {
	Dataset   string   `json:"dataset"` // on the source
	LUN       uint16   `json:"lun"`
	NoLUN     bool     `json:"noLun,omitempty"`
	NAA       string   `json:"naa,omitempty"`
	On        string   `json:"on"`                  // the volume behind it
	Make      string   `json:"make,omitempty"`      // how a person makes that
	Otherwise []string `json:"otherwise,omitempty"` // what initiators would see otherwise
	CHAP      []string `json:"chap,omitempty"`
	Cannot    string   `json:"cannot,omitempty"` // why there are no commands
	// Commands come in this order; none, and nothing in Cannot: it is published so.
	Commands []publicationCommand `json:"commands"`
}

type publicationCommand struct {
	Line  string `json:"line"`
	Stdin string `json:"stdin,omitempty"` // with words in the place of secrets
}

// showPublications shows how the storage host would publish what the records say. It reads its target, and changes nothing.
func (a *app) showPublications(ctx context.Context, place string, p placeRecords, found []identity.Found, lab *inventory.Lab) error {
	if p.host == nil {
		return usage("--publish: what is shown depends on what the target has: name the storage host, not a file")
	}
	login, err := sshexec.Resolve(ctx, "storage host "+place, *p.host, p.dir)
	if err != nil {
		return err
	}
	client, err := sshexec.Dial(ctx, login)
	if err != nil {
		return err
	}
	defer client.Close()
	var list []publication
	for _, f := range found {
		h := f.Target
		if f.OnSource() {
			h = f.Source
		}
		if lab != nil {
			if of, ok := lab.StorageHost(place); ok {
				h = *of
			}
		}
		target, err := iscsi.Open(h, client)
		if err != nil {
			return err
		}
		list = append(list, publicationOf(ctx, f, h, target))
	}
	if a.json() {
		return a.writeJSON(list)
	}
	for i, x := range list {
		if i > 0 {
			a.printf("\n")
		}
		a.printf("%s", x.text())
	}
	return nil
}

// publicationOf plans for each LUN. A replica is never shown itself, as it is received into: what is planned is a clone of it.
func publicationOf(ctx context.Context, f identity.Found, h inventory.StorageHost, target iscsi.Target) publication {
	p := publication{Lab: f.Lab, Group: f.Group, Host: h.Name, Kind: h.Target.Kind, LUNs: []publicationLUN{}, NotRead: f.NotRead}
	if h.Target.Kind != inventory.TargetLIO {
		p.Unproven = cmp.Or(h.Target.Unproven, "ask")
	}
	if !f.OnSource() {
		p.Source = f.Source.Name
	}
	for _, d := range f.Datasets {
		for _, l := range d.LUNs {
			x := publicationLUN{Dataset: d.Name, LUN: l.Identity.LUN, NoLUN: l.Identity.NoLUN, NAA: naaName(l.Identity.NAA), On: d.Name, Commands: []publicationCommand{}}
			if p.Source != "" {
				x.On = d.Replica + "-copy"
				x.Make = iscsi.Command{Argv: []string{"zfs", "clone", "-o", "volmode=dev", d.Replica + "@RECOVERY-POINT", x.On}}.Line()
			}
			planned, err := l.Plan(ctx, target, *h.Target, x.On)
			x.Otherwise = planned.Otherwise
			for _, i := range planned.Initiators {
				x.CHAP = append(x.CHAP, identity.Initiator(i, l.Identity.NoLUN))
			}
			for _, c := range planned.Commands {
				x.Commands = append(x.Commands, publicationCommand{Line: c.Line(), Stdin: c.Input})
			}
			if err != nil {
				x.Cannot = oneLine(err)
			}
			p.LUNs = append(p.LUNs, x)
		}
	}
	return p
}

// A publicationPage is text in two columns. What others named keeps to its line.
type publicationPage struct{ strings.Builder }

func (b *publicationPage) line(format string, args ...any) {
	b.WriteString(strings.NewReplacer("\n", " ", "\r", " ").Replace(fmt.Sprintf(format, args...)) + "\n")
}

func (b *publicationPage) row(name, text string) { b.line("  %-11s %s", name, text) }

func naaName(naa string) string {
	if naa == "" {
		return ""
	}
	return "naa." + naa
}

func (p publication) text() string {
	var b publicationPage
	b.line("Group %s of lab %s: how %s (%s) would publish its LUNs. Nothing is changed, and no runbook does it yet.", p.Group, p.Lab, p.Host, p.Kind)
	switch p.Unproven {
	case "":
	case "accept":
		b.line("! Nobody has tried these commands on a real %s. The lab file accepts that (`unproven: accept`).", p.Kind)
	default:
		b.line("! Nobody has tried these commands on a real %s: a run would refuse to send them without `unproven: accept` in the lab file.", p.Kind)
	}
	if p.Source != "" {
		b.line("! While %s still shows a LUN, no initiator may reach it here: end its sessions there, and unpublish it there, before.", p.Source)
		b.line("! A replica that is received into is never published: what is planned is a clone of it, which you make first. When nothing is received")
		b.line("  into it any more, it may be the replica itself, under that name.")
	}
	if len(p.LUNs) > 1 {
		b.line("! Each LUN is planned for what the target has now: look again when one is published, as the next finds what was made for it.")
	}
	for _, l := range p.LUNs {
		l.text(&b)
	}
	if len(p.LUNs) == 0 {
		b.line("The record has no LUN.")
	}
	if len(p.NotRead) > 0 {
		b.WriteString("\n")
	}
	for _, g := range p.NotRead {
		b.line("! Not in the record: %s: %s", g.What, g.Why)
	}
	return b.String()
}

func (l publicationLUN) text(b *publicationPage) {
	b.WriteString("\n")
	b.line("%s: LUN %s, %s", l.Dataset, identity.LUNNumber(l.LUN, l.NoLUN), cmp.Or(l.NAA, "without an NAA"))
	on := l.On
	if l.Make != "" {
		on += ", which you make first: " + l.Make
	}
	b.row("on", on)
	for _, text := range l.Otherwise {
		b.row("! differs", text)
	}
	for _, text := range l.CHAP {
		b.row("initiator", text)
	}
	switch {
	case l.Cannot != "":
		b.row("! cannot", l.Cannot)
	case len(l.Commands) == 0:
		b.row("commands", "none: it is published so")
	default:
		b.row("commands", "in this order:")
	}
	for _, c := range l.Commands {
		stdin := strings.Split(strings.TrimSpace(c.Stdin), "\n")
		switch {
		case c.Stdin == "":
			b.line("    %s", c.Line)
		case len(stdin) == 1:
			b.line("    %s <<< '%s'", c.Line, c.Stdin)
		default:
			b.line("    %s <<'END'", c.Line)
			for _, s := range append(stdin, "END") {
				b.line("    %s", s)
			}
		}
	}
}
