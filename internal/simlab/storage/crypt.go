package storage

import "strings"

// A crypt is how a dataset is encrypted; those that inherit it, and clones, share it.
type crypt struct {
	root   *dataset // its encryption root
	key    string   // the keylocation that the right key comes from
	loaded bool
	prompt bool // its keylocation is not known here: it came raw
}

// cryptOptions are what create takes of encryption.
var cryptOptions = []string{"encryption", "keyformat", "keylocation", "pbkdf2iters"}

// encrypt makes a new dataset one as its options say; without any it is as the one above.
func (d *dataset) encrypt(options map[string]string) {
	switch up := d.parent(); {
	case options["encryption"] != "" && options["encryption"] != "off":
		d.crypt = &crypt{root: d, key: options["keylocation"], loaded: true}
	case up != nil:
		d.crypt = up.crypt
	}
}

// locked: its key is not loaded.
func (d *dataset) locked() bool { return d.crypt != nil && !d.crypt.loaded }

// tellCrypt is a property of encryption.
func (d *dataset) tellCrypt(name string) string {
	c := d.crypt
	switch {
	case c == nil && name == "encryption":
		return "off"
	case c == nil:
	case name == "encryption":
		return "aes-256-gcm"
	case name == "keystatus" && c.loaded:
		return "available"
	case name == "keystatus":
		return "unavailable"
	case name == "encryptionroot":
		return c.root.name
	case name == "keylocation" && c.prompt:
		return "prompt"
	case name == "keylocation":
		return c.key
	}
	return none
}

// loadKey is zfs load-key.
func (t *tool) loadKey() int {
	x := t.open(t.args[0])
	if x == nil {
		return 1
	}
	no := func(why string) int {
		t.fail("Key load error: %s", strings.ReplaceAll(why, "%", "'"+t.args[0]+"'"))
		return minusOne
	}
	c := x.d.crypt
	switch {
	case c == nil:
		return no("% is not encrypted.")
	case c.loaded && !t.has('n'):
		return no("Key already loaded for %.")
	case t.last('L', c.key) != c.key:
		if t.has('n') {
			t.print("0 / 1 key(s) successfully verified\n")
		}
		return no("Incorrect key provided for %.")
	}
	c.loaded = c.loaded || !t.has('n')
	return 0
}

// unloadKey is zfs unload-key.
func (t *tool) unloadKey() int {
	x := t.open(t.args[0])
	if x == nil {
		return 1
	}
	no := func(why string) int {
		t.fail("Key unload error: %s", strings.ReplaceAll(why, "%", "'"+t.args[0]+"'"))
		return minusOne
	}
	c := x.d.crypt
	switch {
	case c == nil:
		return no("% is not encrypted.")
	case !c.loaded:
		return no("Key already unloaded for %.")
	case t.open1(x.d):
		return no("% is busy.")
	}
	c.loaded = false
	return 0
}
