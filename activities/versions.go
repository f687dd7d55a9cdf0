package activities

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/live"
	"nightshift/internal/version"
)

// mostVersions is how many of a kind are told.
const mostVersions = 5

// versions are those of what a plan was made with and of, for its report.
func versions(st *live.State) map[string]string {
	told := map[string]string{"nightshift": version.String()}
	hosts, bmcs := map[string]int{}, map[string]int{}
	for _, vc := range st.VCenters {
		if vc.Version != "" {
			told["vCenter "+vc.Name] = build(vc.Version, vc.Build)
		}
		for _, h := range vc.Hosts {
			if h.Version != "" {
				hosts[h.Version]++
			}
		}
	}
	for _, h := range st.Storage {
		if h.ZFS != "" {
			told["storage host "+h.Host] = "ZFS " + h.ZFS
		}
	}
	for _, b := range st.BMCs {
		if b.Firmware != "" {
			bmcs[b.Firmware]++
		}
	}
	for name, list := range map[string]map[string]int{"ESXi": hosts, "BMC firmware": bmcs} {
		if len(list) > 0 {
			told[name] = spread(list)
		}
	}
	return told
}

func build(version, build string) string {
	if build == "" {
		return version
	}
	return version + " build " + build
}

// spread is how many have which, the most frequent first: "7.0.3 (3), 8.0.2 (1)". Where all have one it is that.
func spread(list map[string]int) string {
	type entry struct {
		name string
		n    int
	}
	var all []entry
	for name, n := range list {
		all = append(all, entry{name, n})
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	if len(all) == 1 {
		return all[0].name
	}
	var parts []string
	for _, e := range all[:min(mostVersions, len(all))] {
		parts = append(parts, fmt.Sprintf("%s (%d)", e.name, e.n))
	}
	if n := len(all) - mostVersions; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(parts, ", ")
}
