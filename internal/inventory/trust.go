package inventory

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"nightshift/internal/yamlfile"
)

// A TrustChange is a fact about a machine that a person confirmed, and where it goes.
type TrustChange struct {
	// Field is one of vcenters[N].tls.fingerprint, hosts[N].bmc.tls.fingerprint, hosts[N].bmc.serial,
	// hosts[N].bmc.uuid, hosts[N].esxi.tls.fingerprint, hosts[N].ssh.hostKey, storageHosts[N].ssh.hostKey, machines[N].ssh.hostKey, ups[N].tls.fingerprint,
	// applicationClusters[N].at[M].hostKey and monitoring[N].silence.at.hostKey (or resume), counted from 0; of SSH machines also
	// jump.hostKey in the place of hostKey.
	Field string
	Value string
}

var (
	trustField = regexp.MustCompile(`^(vcenters\[\d+\]\.tls\.fingerprint|hosts\[\d+\]\.bmc\.(tls\.fingerprint|serial|uuid)|hosts\[\d+\]\.esxi\.tls\.fingerprint|((hosts|storageHosts|machines)\[\d+\]\.ssh|applicationClusters\[\d+\]\.at\[\d+\]|monitoring\[\d+\]\.(silence|resume)\.at)(\.jump)?\.hostKey|ups\[\d+\]\.tls\.fingerprint)$`)
	trustValue = regexp.MustCompile(`^[ !#-\[\]-~]+$`) // printable ASCII that needs no escape between double quotes
)

// WriteTrust writes the changes into the file that l was loaded from, and leaves all else in it, comments and layout
// included, as it is. It refuses when the file was changed since it was loaded, and when the result would not be exactly
// the old content with the changes. The file is replaced in one step and keeps its mode, owner and group; a symbolic link stays one.
func WriteTrust(l *Lab, changes []TrustChange) error {
	path, err := filepath.EvalSymlinks(l.Path)
	if err != nil {
		return fmt.Errorf("find the lab file: %w", err)
	}
	old, err := readFile(path)
	if err != nil {
		return err
	}
	if hashOf(old) != l.Hash {
		return &Error{File: l.Path, Problem: "the file was changed while it was looked at", Remedy: "run `nightshift lab trust` again"}
	}
	data := old
	for _, c := range changes {
		if !trustField.MatchString(c.Field) || !trustValue.MatchString(c.Value) {
			return &Error{File: l.Path, Field: c.Field, Problem: "this cannot be recorded", Remedy: "only fingerprints, host keys, serial numbers and UUIDs are"}
		}
		if data, err = edit(l.Path, data, c); err != nil {
			return err
		}
	}
	if err := onlyChanged(l.Path, old, data, changes); err != nil {
		return err
	}
	return replaceFile(path, data)
}

// onlyChanged reads both texts, makes the changes in what the old one says, and compares.
func onlyChanged(name string, old, edited []byte, changes []TrustChange) error {
	want, d := decode(name, old)
	if err := yamlfile.AsError(d.Problems); err != nil {
		return err
	}
	for _, c := range changes {
		if err := set(reflect.ValueOf(&want).Elem(), c.Field, c.Value); err != nil {
			return err
		}
	}
	got, d := decode(name, edited)
	if len(d.Problems) == 0 && reflect.DeepEqual(want, got) {
		_, err := parse(name, edited, true) // a fingerprint that is none, say
		return err
	}
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "\n%s: %q", c.Field, c.Value)
	}
	return &Error{File: name, Problem: "the file is laid out in a way that cannot be edited safely, so it was left alone",
		Remedy: "write these values into it by hand:" + b.String()}
}

var fieldStep = regexp.MustCompile(`([A-Za-z]+)(?:\[(\d+)\])?`)

// set puts a text into the field of a File.
func set(v reflect.Value, field, text string) error {
	for _, m := range fieldStep.FindAllStringSubmatch(field, -1) {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return fmt.Errorf("%s: there is no such part in the lab file", field)
			}
			v = v.Elem()
		}
		k, ok := yamlfile.FieldsOf(v.Type()).Get(m[1])
		if !ok {
			return fmt.Errorf("%s: there is no such field", field)
		}
		v = v.FieldByIndex(k.Index)
		if m[2] == "" {
			continue
		}
		i, err := strconv.Atoi(m[2])
		if err != nil || i >= v.Len() {
			return fmt.Errorf("%s: there are only %d of them", field, v.Len())
		}
		v = v.Index(i)
	}
	v.SetString(text)
	return nil
}
