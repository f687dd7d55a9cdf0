package nut

import (
	"strings"
)

// Version is what the server calls itself: "Network UPS Tools upsd 2.8.1 …".
func (c *Client) Version() (string, error) {
	words, err := c.ask("VER")
	return strings.Join(words, " "), err
}

// UPSes are the names and descriptions of the UPSes that the server knows.
func (c *Client) UPSes() (map[string]string, error) {
	list := map[string]string{}
	return list, c.list([]string{"UPS"}, func(w []string) bool {
		if len(w) != 2 {
			return false
		}
		list[w[0]] = w[1]
		return true
	})
}

// Vars are all variables of a UPS with their values.
func (c *Client) Vars(ups string) (Vars, error) { return c.vars("VAR", ups) }

// Writable are those that can be set, for users who may.
func (c *Client) Writable(ups string) (Vars, error) { return c.vars("RW", ups) }

func (c *Client) vars(what, ups string) (Vars, error) {
	list := Vars{}
	return list, c.list([]string{what, ups}, func(w []string) bool {
		if len(w) != 2 {
			return false
		}
		list[w[0]] = w[1]
		return true
	})
}

// Commands are the instant commands that the UPS offers.
func (c *Client) Commands(ups string) ([]string, error) {
	var list []string
	return list, c.list([]string{"CMD", ups}, func(w []string) bool {
		if len(w) != 1 {
			return false
		}
		list = append(list, w[0])
		return true
	})
}

// list reads BEGIN LIST … END LIST. Each line between repeats what was asked for; take gets the rest of it.
func (c *Client) list(what []string, take func([]string) bool) error {
	verb := "LIST " + what[0]
	words, err := c.ask(append([]string{"LIST"}, what...)...)
	if err != nil {
		return err
	}
	if !begins(words, append([]string{"BEGIN", "LIST"}, what...)) {
		return c.strange(verb, words)
	}
	for range maxList {
		if words, err = c.read(verb); err != nil {
			return err
		}
		if begins(words, append([]string{"END", "LIST"}, what...)) {
			return nil
		}
		if !begins(words, what) || !take(words[len(what):]) {
			return c.strange(verb, words)
		}
	}
	return c.strange(verb, []string{"a list that does not end"})
}

func begins(words, with []string) bool {
	if len(words) < len(with) {
		return false
	}
	for i, w := range with {
		if words[i] != w {
			return false
		}
	}
	return true
}
