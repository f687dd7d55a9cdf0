package inventory

import (
	"reflect"

	"nightshift/internal/yamlfile"
)

// An Error is one thing that is wrong with a lab file. It never quotes the value of a secret.
// errors.Is(err, fault.Invalid) holds.
type Error = yamlfile.Error

// Errors is all that is wrong with a lab file, in the order of its lines. Load and Parse return it.
type Errors = yamlfile.Errors

// labFile is how errors speak of the file.
var labFile = yamlfile.Kind{Noun: "lab file", Example: "see examples/minimal/lab.yaml"}

func newDecoder(name string) *yamlfile.Decoder {
	d := yamlfile.NewDecoder(name)
	d.Former = formerKey
	d.References = map[reflect.Type]string{reflect.TypeFor[SecretRef](): secretRemedy}
	return d
}

// formerKey says what took the place of a key that earlier lab files had; empty: it was never there.
func formerKey(t reflect.Type, key string) string {
	if t == reflect.TypeFor[VCenter]() && key == "guest" {
		return "say provides: [vcenter] at the guest, in the list guests:"
	}
	return ""
}

// Nearest is the word that got was probably meant to be, or "".
func Nearest(got string, words []string) string { return yamlfile.Nearest(got, words) }

func nearest(got string, words []string) string { return yamlfile.Nearest(got, words) }

// allowed is the remedy for a word that is none of the allowed ones.
func allowed(got string, words []string) string { return yamlfile.Allowed(got, words) }
