package zfs

import (
	"strconv"
	"strings"
	"time"

	"nightshift/internal/live"
)

// A column is one property that is listed, and where its value goes. Values are those of `-p`: plain numbers, seconds since
// 1970; "-" where the property means nothing for a thing of this type.
type column struct {
	property string
	must     bool // without it a listing is of no use; the others may be missing in an older ZFS
	set      func(r *row, value string) bool
}

// A row is one line of a listing: a file system, volume, snapshot or bookmark.
type row struct {
	name, kind string
	dataset    live.ZDataset // of what the columns say; a snapshot's or bookmark's numbers are kept here as well
	holds      int64
	clones     string
	doomed     bool
}

// columns are those of all listings, in this order.
var columns = []column{
	{"name", true, func(r *row, v string) bool { r.name = v; return v != "" }},
	{"type", true, func(r *row, v string) bool { r.kind = v; return kinds[v] }},
	{"guid", true, func(r *row, v string) bool { return id(&r.dataset.GUID, v) }},
	{"createtxg", true, func(r *row, v string) bool { return id(&r.dataset.CreateTXG, v) }},
	{"creation", true, func(r *row, v string) bool {
		var sec int64
		ok := number(&sec, v)
		r.dataset.Creation = time.Unix(sec, 0).UTC()
		return ok && v != "-"
	}},
	{"used", true, func(r *row, v string) bool { return number(&r.dataset.Used, v) }},
	{"referenced", true, func(r *row, v string) bool { return number(&r.dataset.Referenced, v) }},
	{"written", true, func(r *row, v string) bool { return number(&r.dataset.Written, v) }},
	{"userrefs", true, func(r *row, v string) bool { return number(&r.holds, v) }},
	{"clones", true, func(r *row, v string) bool { r.clones = v; return true }},
	{"defer_destroy", false, func(r *row, v string) bool { return flag(&r.doomed, v) }},
	{"available", true, func(r *row, v string) bool { return number(&r.dataset.Available, v) }},
	{"usedbysnapshots", true, func(r *row, v string) bool { return number(&r.dataset.UsedBySnapshots, v) }},
	{"usedbyrefreservation", true, func(r *row, v string) bool { return number(&r.dataset.UsedByReservation, v) }},
	{"quota", true, func(r *row, v string) bool { return number(&r.dataset.Quota, v) }},
	{"refreservation", true, func(r *row, v string) bool { return number(&r.dataset.RefReservation, v) }},
	{"volsize", true, func(r *row, v string) bool { return number(&r.dataset.VolSize, v) }},
	{"volblocksize", true, func(r *row, v string) bool { return number(&r.dataset.VolBlockSize, v) }},
	{"readonly", true, func(r *row, v string) bool { return flag(&r.dataset.ReadOnly, v) }},
	{"volmode", false, func(r *row, v string) bool { return word(&r.dataset.VolMode, v) }},
	{"mounted", true, func(r *row, v string) bool { return flag(&r.dataset.Mounted, v) }},
	{"origin", true, func(r *row, v string) bool { return word(&r.dataset.Origin, v) }},
	{"encryption", false, func(r *row, v string) bool {
		if v == "off" {
			return true
		}
		return word(&r.dataset.Encryption, v)
	}},
	{"keystatus", false, func(r *row, v string) bool { return word(&r.dataset.KeyStatus, v) }},
	{"receive_resume_token", false, func(r *row, v string) bool { return word(&r.dataset.ResumeToken, v) }},
}

// kinds are the types that are listed.
var kinds = map[string]bool{"filesystem": true, "volume": true, "snapshot": true, "bookmark": true}

// id is a number that everything listed has: a GUID, a transaction group.
func id(to *uint64, v string) bool {
	n, err := strconv.ParseUint(v, 10, 64)
	*to = n
	return err == nil
}

// number is a size or count; "-" and "none" are 0.
func number(to *int64, v string) bool {
	if v == "-" || v == "none" || v == "0" {
		*to = 0
		return true
	}
	n, err := strconv.ParseInt(v, 10, 64)
	*to = n
	return err == nil && n >= 0
}

func flag(to *bool, v string) bool {
	*to = v == "on" || v == "yes"
	return *to || v == "off" || v == "no" || v == "-"
}

func word(to *string, v string) bool {
	if v != "-" {
		*to = strings.Clone(v) // it would keep the whole listing in memory
	}
	return true
}
