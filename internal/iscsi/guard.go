package iscsi

import (
	"fmt"
	"path"
	"strings"

	"nightshift/internal/fault"
)

const zvolDirectory = "/dev/zvol/"

// Volume is the ZFS volume behind the device of a logical unit: tank/mail; empty where it is no zvol. Solaris has them under
// /dev/zvol/rdsk and /dev/zvol/dsk.
func Volume(device string) string {
	name, found := strings.CutPrefix(path.Clean(device), zvolDirectory)
	if !found {
		return ""
	}
	for _, sub := range []string{"rdsk/", "dsk/"} {
		name = strings.TrimPrefix(name, sub)
	}
	return name
}

// OpenLUNs are the logical units on a dataset: those on the zvol of that name, and on zvols and files below it, as renaming,
// exporting or destroying a parent takes them along. Offline ones are among them: LIO, like others, keeps the device open. Where the
// device of a logical unit is not known it is among them, too: nobody can say that it is not that one.
//
// ZFS does not hold back by itself: while LIO has a zvol open, rollback, receive -F, rename and a new volsize succeed silently, and
// export hangs. Whoever means to do one of these asks here before.
func (l Listing) OpenLUNs(dataset string) []LU {
	var list []LU
	for _, lu := range l.LUs {
		v := Volume(lu.Device)
		file := v == "" && lu.Device != "" && (strings.HasPrefix(lu.Device, "/"+dataset+"/")) // a file under the default mount point
		if lu.Device == "" || v == dataset || strings.HasPrefix(v, dataset+"/") || file {
			list = append(list, lu)
		}
	}
	return list
}

// Free is nil where no logical unit is on the dataset. Else the error, fault.State with fault.NotDone, says which are in the way of
// the act ("roll back tank/mail").
func (l Listing) Free(dataset, act string) error {
	open := l.OpenLUNs(dataset)
	if len(open) == 0 {
		return nil
	}
	var names []string
	for _, lu := range open {
		names = append(names, lu.Describe())
	}
	return fault.As(fault.NotDone, fault.As(fault.State, fmt.Errorf("%s: %s; initiators would lose or mix up what they wrote: unpublish first",
		act, strings.Join(names, "; "))))
}

// Describe names a logical unit for people.
func (lu LU) Describe() string {
	text := "the logical unit " + lu.Name
	if lu.Identity.NAA != "" {
		text += " (naa." + lu.Identity.NAA + ")"
	}
	if lu.Device == "" {
		return text + " is on a device that is not known"
	}
	return text + " is on " + lu.Device
}

// Sharing are the logical units that show an NAA, whatever their name: an initiator takes all of them for one.
func (l Listing) Sharing(naa string) []LU {
	var list []LU
	for _, lu := range l.LUs {
		if lu.Identity.NAA == naa && naa != "" {
			list = append(list, lu)
		}
	}
	return list
}

// Find is the logical unit of a name.
func (l Listing) Find(name string) (LU, bool) {
	for _, lu := range l.LUs {
		if lu.Name == name {
			return lu, true
		}
	}
	return LU{}, false
}

// Sessions are the initiators that are logged in to a portal group through which they may use the logical unit, and how many there
// are of whom that is not known. Silence is no answer: only where both are none does nobody use it.
func (lu LU) Sessions() (loggedIn []string, unknown int) {
	for _, p := range lu.Paths {
		loggedIn = append(loggedIn, p.Unlisted...)
		if p.Open && p.Unlisted == nil {
			unknown++
		}
		for _, a := range p.ACLs {
			switch {
			case a.Session == nil:
				unknown++
			case a.Session.LoggedIn:
				loggedIn = append(loggedIn, a.Initiator)
			}
		}
	}
	return loggedIn, unknown
}
