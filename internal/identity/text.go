package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
	"nightshift/internal/words"
)

// A page is text in two columns.
type page struct{ strings.Builder }

func (p *page) row(name, format string, args ...any) {
	p.line("  %-11s %s", name, fmt.Sprintf(format, args...))
}

// line keeps to its line, whatever names are in it.
func (p *page) line(format string, args ...any) {
	p.WriteString(strings.NewReplacer("\n", " ", "\r", " ").Replace(fmt.Sprintf(format, args...)) + "\n")
}

// Text is the record for people.
func (r *Record) Text() string {
	var p page
	p.line("Identity record of group %s, lab %s", r.Group, r.Lab)
	p.row("made", "%s by run %s", utc(r.Made), r.Run)
	p.row("source", "%s at %s", r.Source.Name, r.Source.SSH.Address)
	p.row("replicas", "%s on %s, every %s", r.Protection.Target.Under, r.Target.Name, words.Written(time.Duration(r.Protection.Every)))
	for _, d := range r.Datasets {
		d.text(&p, r.Made)
	}
	for _, v := range r.VCenters {
		v.text(&p)
	}
	if len(r.Guests)+len(r.Groups) > 0 {
		p.WriteString("\nStart order in the lab file\n")
		for _, g := range r.Guests {
			p.row(g.Name, "after %s", cmp.Or(strings.Join(g.After, ", "), "nothing"))
		}
		for _, g := range r.Groups {
			p.row("group:"+g.Name, "%s; after %s", cmp.Or(strings.Join(g.Guests, ", "), "those with tag "+g.Tag), cmp.Or(strings.Join(g.After, ", "), "nothing"))
		}
	}
	if len(r.NotRead) > 0 {
		p.WriteString("\nNot in it\n")
		for _, g := range r.NotRead {
			p.line("  ! %s: %s", g.What, g.Why)
		}
	}
	return p.String()
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func (d *Dataset) text(p *page, made time.Time) {
	what := "file system"
	if d.Volume {
		what = "volume, " + words.Bytes(d.Size)
	}
	p.WriteString("\n")
	p.line("%s, %s", d.Name, what)
	p.row("replica", "%s", d.Replica)
	if !d.Read.IsZero() && !d.Read.Equal(made) {
		p.row("! read", "%s: since then its target told of none, or could not be read", utc(d.Read))
	}
	for _, l := range d.LUNs {
		l.text(p)
	}
	if d.Volume && len(d.LUNs) == 0 {
		p.row("LUN", "none")
	}
}

func (l *LUN) text(p *page) {
	id := l.Identity
	p.row("LUN", "%s, %s, %s, %s on %s", LUNNumber(id.LUN, id.NoLUN), cmp.Or(naaOf(id.NAA), "no NAA"), words.Bytes(int64(min(id.Size, 1<<62))), l.Name, l.Kind)
	p.row("shown as", "vendor %q, product %q, serial number %q", id.Vendor, id.Product, id.Serial)
	p.row("", "blocks of %d bytes (%d on disk), CAW %s, XCOPY %s, write cache %s", id.LogicalBlock, id.PhysicalBlock, known(id.CompareAndWrite), known(id.ExtendedCopy), known(id.WriteCache))
	for _, t := range l.Paths {
		p.row("target", "%s, portal group %d, at %s", t.Target, t.Group, cmp.Or(strings.Join(t.Portals, ", "), "all addresses"))
		if t.Open {
			p.row("initiators", "all that log in")
		}
		for _, a := range t.ACLs {
			p.row("initiator", "%s", Initiator(a, t.NoLUN))
		}
	}
	switch v := l.VMFS; {
	case v == nil:
		p.row("VMFS", "%s", cmp.Or(l.NoVMFS, "not known"))
	case v.UUID == "":
		p.row("VMFS", "a further extent of volume %s, made for %s", v.Volume, v.Expects)
	default:
		p.row("VMFS", "%q, VMFS %s, %s, made for %s", v.Label, v.Version, v.UUID, v.Expects)
		for _, d := range v.Differs {
			p.row("! VMFS", "%s: ESXi took it for a snapshot", d)
		}
	}
	if !l.VMFSRead.IsZero() {
		p.row("! VMFS", "of %s: it could not be read later", utc(l.VMFSRead))
	}
}

// LUNNumber is a LUN's number in words; notTold: nobody told it.
func LUNNumber(lun uint16, notTold bool) string {
	if notTold {
		return "number not known"
	}
	return strconv.Itoa(int(lun))
}

func naaOf(naa string) string {
	if naa == "" {
		return ""
	}
	return "naa." + naa
}

func known(b *bool) string {
	switch {
	case b == nil:
		return "not known"
	case *b:
		return "yes"
	}
	return "no"
}

// Initiator is one in words, with where the secrets are kept. noLUN: nobody told the LUN's number.
func Initiator(a iscsi.RecordACL, noLUN bool) string {
	text := fmt.Sprintf("%s, LUN %s", a.Initiator, LUNNumber(a.LUN, noLUN))
	if a.ReadOnly {
		text += ", read-only"
	}
	if a.CHAP {
		text += ", by CHAP" + prover(a.User, a.Secret)
	}
	if a.MutualUser != "" || a.Mutual != nil && *a.Mutual {
		text += ", the target" + prover(a.MutualUser, a.MutualSecret)
	}
	return text
}

// prover is who proves itself by CHAP, and where the secret is kept.
func prover(user string, secret inventory.SecretRef) string {
	return " as " + cmp.Or(user, "an unknown user") + " (secret: " + cmp.Or(secret.Source(), "the lab file did not say where it is kept") + ")"
}

func (v *VCenter) text(p *page) {
	var stores []string
	for _, s := range v.Stores {
		stores = append(stores, s.Name)
	}
	p.WriteString("\n")
	p.line("vCenter %s (%s, version %s), read %s: %s", v.VCenter, cmp.Or(v.URL, "no address"), cmp.Or(v.Version, "unknown"), utc(v.Read), words.Count(len(v.Guests), "VM"))
	p.row("datastores", "%s", cmp.Or(strings.Join(stores, ", "), "none"))
	for _, g := range v.Guests {
		occupant(p, g)
	}
}

func occupant(p *page, g live.Occupant) {
	p.WriteString("\n")
	p.line("VM %s", g.Name)
	p.row("was", "%s on %s", cmp.Or(g.Power, "power unknown"), cmp.Or(g.Host, "an unknown host"))
	p.row("UUIDs", "%s (instance), %s (BIOS)", cmp.Or(g.UUID, "none"), cmp.Or(g.BIOSUUID, "none"))
	p.row("file", "%s", cmp.Or(g.Path, "not known"))
	p.row("place", "%s", strings.Join(slices.DeleteFunc([]string{g.Folder, named("cluster ", g.Cluster), named("pool ", g.Pool), vApp(g)}, func(s string) bool { return s == "" }), ", "))
	for _, n := range g.NICs {
		p.row("network", "%s, %s%s, %s", n.MAC, cmp.Or(n.Network, "none"), named(", VLAN ", n.VLAN), n.Type)
	}
	for _, d := range g.Disks {
		text := cmp.Or(d.Path, "no file") + ", " + words.Bytes(d.Size) + named(", raw device ", d.LUN)
		for _, x := range []struct {
			is   bool
			word string
		}{{d.Independent, ", independent"}, {d.MultiWriter, ", multi-writer"}} {
			if x.is {
				text += x.word
			}
		}
		p.row("disk", "%s", text+named(", policy ", strings.Join(d.Policies, ", ")))
	}
	settings(p, g)
}

func settings(p *page, g live.Occupant) {
	list := func(name string, values []string) {
		if len(values) > 0 {
			p.row(name, "%s", strings.Join(values, ", "))
		}
	}
	list("tags", g.Tags)
	var attributes, rights []string
	for _, k := range sortedKeys(g.Attributes) {
		attributes = append(attributes, k+"="+g.Attributes[k])
	}
	for _, r := range g.Rights {
		rights = append(rights, r.Principal+": "+r.Role)
	}
	list("attributes", attributes)
	list("permissions", rights)
	if len(g.Policies) > 0 {
		p.row("policies", "%s (home directory)", strings.Join(g.Policies, ", "))
	}
	name := "overrides"
	for _, line := range overrides(g) {
		p.row(name, "%s", line)
		name = ""
	}
	list("rules", g.Rules)
	if g.Encrypted {
		p.row("key", "%s of provider %s", cmp.Or(g.KeyID, "unknown"), cmp.Or(g.KeyProvider, "unknown"))
	}
	for line := range strings.Lines(g.Notes) {
		p.row("notes", "%s", strings.TrimSpace(line))
	}
}

// overrides are what HA and DRS do with a VM otherwise than with the rest of its cluster, with the values of the vSphere API.
func overrides(g live.Occupant) (lines []string) {
	add := func(head string, parts ...string) {
		if parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" }); len(parts) > 0 {
			lines = append(lines, head+strings.Join(parts, ", "))
		}
	}
	add("", named("HA restart priority ", g.Restart), named("DRS ", g.DRS)+named(", else ", g.DRSLevel))
	h := g.HA
	if h == nil {
		return lines
	}
	add("HA lets lower priorities wait: ", named("until ", h.Ready), number("and %d s more", h.ReadyDelay), number("%d s at most", h.RestartTimeout))
	add("HA on an isolated host: ", h.Isolation)
	if m := h.Monitoring; m != nil {
		window := number("in %d s", m.MaxWindow)
		if m.MaxWindow < 0 {
			window = "in any time"
		}
		enabled := ""
		if m.Enabled != nil {
			enabled = "enabled " + known(m.Enabled)
		}
		add("HA monitoring of its own: ", cmp.Or(m.Kind, "vmMonitoring not known"), enabled, number("%d s without heartbeat", m.FailureInterval), number("from %d s after a start", m.MinUpTime),
			number("%d resets", m.MaxFailures), window)
	}
	if s := h.StorageLoss; s != nil {
		add("HA without storage: ", named("APD ", s.APD), number("%d s later", s.APDDelay), named("APD cleared ", s.APDCleared), named("PDL ", s.PDL))
	}
	return lines
}

// number puts words around a number that is there.
func number(format string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}

func vApp(g live.Occupant) string {
	if g.VApp == "" {
		return ""
	}
	return fmt.Sprintf("vApp %s (place %d)", g.VApp, g.VAppStart)
}

// named puts a word before what is there.
func named(word, s string) string {
	if s == "" {
		return ""
	}
	return word + s
}
