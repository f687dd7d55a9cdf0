package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// noteSystem is the note at a cluster that tells people in the vSphere client what has to be given back. "": none.
type noteSystem interface {
	ClusterNote(ctx context.Context, ref string) (string, error)
	SetClusterNote(ctx context.Context, ref, value string) error
	Host(ctx context.Context, ref string) (live.Host, error)
}

// noteLimit is how long a custom attribute may be.
const noteLimit = 255

// A vCenter that may be down is given a moment for the note, and is not asked again for a while when it did not answer.
const (
	asideLimit = 5 * time.Second
	asideRest  = time.Minute
)

// A clusterNote repeats the debts of a cluster at the cluster itself, for those who have no nightshift at hand. The ledger
// is what counts: a vCenter that forbids the note is worth a remark.
type clusterNote struct {
	a             *Activities
	lab, endpoint string
	host          string // its Ref, in a step that may go through the host itself; "": there is none
	warning       string
}

func (n *clusterNote) remark() string { return n.warning }

// write brings the note in line with the ledger, less the debt that is about to be struck out. A host that is in no
// cluster has none.
func (n *clusterNote) write(ctx context.Context, s hypervisor, cluster, without string) error {
	vc, ok := s.(vcenter)
	switch {
	case !ok:
		n.aside(ctx, without)
		return nil
	case cluster == "":
		return nil
	}
	n.a.notes.Lock() // what one step writes is not to be older than what another one wrote before
	defer n.a.notes.Unlock()
	err := n.bring(ctx, vc, cluster, without)
	n.a.clients.failed(n.endpoint, vc, err)
	if saidNo(err) && !isAuth(err) {
		n.warning = fmt.Sprintf("what is to be given back could not be noted at the cluster: %v", err)
		return nil
	}
	return err
}

// aside is write in a step that goes through the host itself. Its vCenter may be down by now: the note is brought in line where
// a session is open and it answers at once, and otherwise when the vCenter is connected to the host again (see AwaitHost).
func (n *clusterNote) aside(ctx context.Context, without string) {
	vc, ok := n.a.clients.opened(n.endpoint)
	if !ok {
		return
	}
	n.a.notes.Lock()
	defer n.a.notes.Unlock()
	if at, deaf := n.a.deaf[n.endpoint]; deaf && time.Since(at) < asideRest {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, asideLimit)
	defer cancel()
	cluster, err := n.a.placeOf(ctx, vc, n.endpoint, n.host)
	if err == nil && cluster != "" {
		err = n.bring(ctx, vc, cluster, without)
	}
	if err == nil {
		return
	}
	n.a.clients.failed(n.endpoint, vc, err)
	if n.a.deaf == nil {
		n.a.deaf = map[string]time.Time{}
	}
	n.a.deaf[n.endpoint] = time.Now()
	n.a.log.Info("the note at the cluster was not brought in line", "target", n.endpoint, "error", err)
}

// bring writes what the ledger says. The caller holds a.notes.
func (n *clusterNote) bring(ctx context.Context, vc noteSystem, cluster, without string) error {
	book, err := n.a.ledger.read(ctx, n.lab)
	if err != nil {
		return err
	}
	return n.update(ctx, vc, cluster, slices.DeleteFunc(book.Debts, func(d plan.Debt) bool {
		return d.ID == without || d.Target.Endpoint != n.endpoint
	}))
}

func (n *clusterNote) update(ctx context.Context, vc noteSystem, cluster string, debts []plan.Debt) error {
	var own []plan.Debt
	for _, d := range debts {
		ref := d.Target.Ref
		if d.Setting == plan.Maintenance {
			h, err := n.a.placeOf(ctx, vc, n.endpoint, ref)
			if err != nil {
				return err
			}
			ref = h
		}
		if ref == cluster {
			own = append(own, d)
		}
	}
	text := restoreNote(own)
	now, err := vc.ClusterNote(ctx, cluster)
	if err != nil || now == text {
		return err
	}
	return vc.SetClusterNote(ctx, cluster, text)
}

// placeOf is the cluster of a host, which is read once. "": none, or the host is gone.
func (a *Activities) placeOf(ctx context.Context, vc noteSystem, endpoint, host string) (string, error) {
	key := endpoint + "/" + host
	if cluster, known := a.places[key]; known { // the caller holds a.notes
		return cluster, nil
	}
	h, err := vc.Host(ctx, host)
	if err != nil && !saidNo(err) {
		return "", err
	}
	if a.places == nil {
		a.places = map[string]string{}
	}
	a.places[key] = h.Cluster
	return h.Cluster, nil
}

// restoreNote says what has to be given back, and by what: "HA=true; DRS=fullyAutomated; …". "": nothing.
func restoreNote(debts []plan.Debt) string {
	if len(debts) == 0 {
		return ""
	}
	was := map[plan.Setting]string{}
	var hosts []string
	first := debts[0]
	for _, d := range debts {
		if d.Since.Before(first.Since) {
			first = d
		}
		if d.Setting == plan.Maintenance {
			hosts = append(hosts, d.Target.Name)
			continue
		}
		was[d.Setting] = d.Was
	}
	var parts []string
	for _, s := range []struct {
		setting plan.Setting
		name    string
	}{{plan.HA, "HA"}, {plan.DRS, "DRS"}, {plan.DPM, "DPM"}, {plan.VCLS, "vCLS"}, {plan.Alarms, "alarm actions"}} {
		if v, owed := was[s.setting]; owed {
			if v == "" {
				v = "default"
			}
			parts = append(parts, s.name+"="+v)
		}
	}
	tail := fmt.Sprintf("run %s; since %s", first.Run, first.Since.UTC().Format(time.RFC3339))
	if len(hosts) > 0 {
		slices.Sort(hosts)
		room := noteLimit - len(strings.Join(append(slices.Clone(parts), tail), "; ")) - len("; ")
		parts = append(parts, fitted("hosts put into maintenance mode by nightshift: ", hosts, room))
	}
	text := strings.Join(append(parts, tail), "; ")
	return strings.ToValidUTF8(text[:min(len(text), noteLimit)], "")
}

// fitted lists as many names as there is room for, and the number of the others.
func fitted(title string, names []string, room int) string {
	for n := len(names); n > 0; n-- {
		s := title + strings.Join(names[:n], ", ")
		if n < len(names) {
			s += fmt.Sprintf(" and %d more", len(names)-n)
		}
		if len(s) <= room {
			return s
		}
	}
	return fmt.Sprintf("%s%d", title, len(names))
}
