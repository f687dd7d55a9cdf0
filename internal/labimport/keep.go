package labimport

import "slices"

// decideKeeps leaves alone what must not go down by mistake: the machine that nightshift runs on, the vCenter, and what
// these have their files on. Whoever wants these down, too, says so.
func (d *draft) decideKeeps() {
	keep := func(g *guest, why string) {
		if g == nil || g.keep != "" {
			return
		}
		g.keep = why
	}
	if d.self != nil {
		keep(d.self, "nightshift runs in it, by "+d.selfBy)
	}
	keep(d.vcenter, "this vCenter runs in it")
	for _, top := range []*guest{d.self, d.vcenter} {
		if top == nil {
			continue
		}
		needed := d.reach(top.Ref)
		for _, g := range d.guests {
			if needed[g.Ref] {
				keep(g, "guest "+top.Name+" needs it")
			}
		}
	}
	for _, g := range d.guests {
		if g.keep == "" {
			continue
		}
		if h := d.hostOf(g); h != nil && !slices.Contains(h.carries, g) {
			h.carries = append(h.carries, g)
		}
	}
}
