package labimport

import (
	"net/url"
	"strings"

	"nightshift/internal/words"
)

func (d *draft) writeHead(w *writer) {
	v := d.in.VCenter
	w.comment(0, "The lab as vCenter %s tells it. Written by `nightshift lab import`; from now on it is yours.", v.URL)
	w.remark(0, "")
	w.remark(0, "What stands here without a word is certain. \"from\" says what a line was taken, or guessed, from. \"# ?\" is a question: "+
		"only you know. Lines of YAML behind a # are proposals: fill them in, and take the # away.")
	w.remark(0, "")
	w.proposal(0, "  nightshift lab trust               records certificates and serial numbers of what you filled in")
	w.proposal(0, "  nightshift lab check --problems    tries everything, and changes nothing")
	w.proposal(0, "  nightshift plan power-down         what would it do?")
	for _, warning := range append(append([]string{}, d.in.Live.Warnings...), d.in.Setup.Warnings...) {
		w.comment(0, "Not read, and so not in here: %s", warning)
	}
	w.blank()
	if d.in.Lab == "" {
		w.line(0, "lab: "+quoted(d.labName()), "? its name, as you like")
	} else {
		w.line(0, "lab: "+quoted(d.in.Lab), "")
	}
	w.blank()
	d.writeSelf(w)
	w.blank()
	w.line(0, "vcenters:", "")
	w.line(2, "- name: "+quoted(v.Name), "")
	w.line(4, "url: "+quoted(v.URL), "")
	w.line(4, "user: "+quoted(v.User), "")
	typed := ""
	if d.in.Typed {
		typed = "? the password itself never stands here: set this variable, or write file:PATH or exec:COMMAND"
	}
	w.line(4, "password: "+quoted(string(v.Password)), typed)
	switch {
	case v.TLS.Fingerprint != "":
		w.line(4, "tls:", "")
		w.line(6, "fingerprint: "+quoted(v.TLS.Fingerprint), "")
	case v.TLS.CA != "":
		w.line(4, "tls:", "")
		w.line(6, "ca: "+quoted(v.TLS.CA), "")
	}
	w.remark(2, "Another vCenter of this lab goes here as the next entry of the list; its hosts and guests then say vcenter: NAME.")
}

// labName is that of the only datacenter, else of the vCenter's domain.
func (d *draft) labName() string {
	var candidates []string
	if len(d.in.Setup.Datacenters) == 1 {
		candidates = append(candidates, d.in.Setup.Datacenters[0])
	}
	if u, err := url.Parse(d.in.VCenter.URL); err == nil && !isAddress(u.Hostname()) {
		_, domain, _ := strings.Cut(u.Hostname(), ".")
		first, _, _ := strings.Cut(domain, ".")
		candidates = append(candidates, first)
	}
	for _, c := range candidates {
		if name := LabName(c); name != "" {
			return name
		}
	}
	return "lab"
}

// LabName makes the name of a lab of any text: lower-case letters, digits and dashes; empty: nothing is left.
func LabName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '-' }), "-")
	return strings.TrimRight(s[:min(len(s), 40)], "-")
}

func (d *draft) writeSelf(w *writer) {
	if d.self != nil {
		w.line(0, "self:", "where nightshift itself runs, which is never switched off")
		w.line(2, "guest: "+quoted(d.self.Name), "from: "+d.selfBy+" is that of the machine that imported this. ? Will it serve from there?")
		return
	}
	w.remark(0, "? Where does nightshift itself run? It never switches that off. outside: true is right where no host of this lab carries it. "+
		"A VM of this lab is guest: NAME, something on a host itself is host: NAME. Nothing told which guest this machine could be.")
	w.line(0, "self:", "")
	w.line(2, "outside: true", "")
}

// writeRest writes tags and policies.
func (d *draft) writeRest(w *writer) {
	bear := map[string]int{}
	without := []string{}
	for _, g := range d.guests {
		for _, t := range g.Tags {
			bear[t]++
		}
		if g.Power == "poweredOn" && !g.Tools {
			without = append(without, g.Name)
		}
	}
	w.heading("vSphere tags with a meaning: guests with the first are left alone, `run power-up --tag` starts those with the second.")
	w.line(0, "tags:", "")
	for _, t := range []struct{ key, tag string }{{"keep", "KeepOn"}, {"start", "StartUp"}} {
		said := "? no guest bears it: another tag, or is it not used?"
		if n := bear[t.tag]; n > 0 {
			said = "on " + words.Count(n, "guest")
		}
		w.line(2, t.key+": "+t.tag, said)
	}
	w.heading("How guests go down that have no shutdown: of their own.")
	w.line(0, "policies:", "")
	w.line(2, "guest:", "")
	w.line(4, "timeout: 5m", "? how long may a guest take to shut down")
	w.line(4, "onTimeout: ask", "? then: ask (it stays on, and the run asks), powerOff or suspend")
	ask := "where no VMware Tools run"
	if len(without) > 0 {
		ask = "? " + words.Count(len(without), "guest") + " without running VMware Tools (" + words.Some(without, fewNames) +
			") cannot be asked to shut down: ask (a power-down is refused then), powerOff or suspend"
	}
	w.line(4, "noTools: ask", ask)
}
