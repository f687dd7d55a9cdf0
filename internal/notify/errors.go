package notify

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/fault"
)

// wrong is an error in the URL: as it is, no message can be sent.
func (a *address) wrong(err error) error {
	return fault.As(fault.Invalid, fmt.Errorf("channel %s (%s): its URL is not right: %s", a.channel, a.where, a.clean(err.Error())))
}

// failed is an error of a send.
func (a *address) failed(err error) error {
	text := err.Error()
	if about := new(url.Error); errors.As(err, &about) { // what is around it says the URL twice
		text = about.Err.Error()
	}
	return fault.As(kind(err), fmt.Errorf("channel %s (%s): %s", a.channel, a.where, a.clean(text)))
}

// status is an HTTP status in the text of an error, which is all that the library gives; ntfy's own codes begin with one.
var status = regexp.MustCompile(`(?i)(?:status(?: code)?|HTTP/\d(?:\.\d)?)\D{0,20}\b([45]\d\d)\b|\b([45]\d\d) [A-Z][a-z]+|\(([45]\d\d)(?:\d\d)?\)`)

// refusals are answers of services that come with another status, or with none: the token, the room or the address is wrong.
var refusals = regexp.MustCompile(`invalid_auth|invalid_token|not_authed|account_inactive|token_revoked|no_service|no_team|M_FORBIDDEN|M_UNKNOWN_TOKEN|` +
	`(?i:unauthorized|invalid username|invalid password|access token)`)

// kind tells what a person can do about it. What is not known may be better the next time.
func kind(err error) error {
	code := 0
	smtp := new(textproto.Error)
	if errors.As(err, &smtp) {
		switch {
		case slices.Contains([]int{530, 534, 535, 538}, smtp.Code):
			return fault.Auth
		case smtp.Code >= 500:
			return fault.Invalid // sender or recipient are not taken
		}
		return fault.Unreachable
	}
	text := err.Error()
	if strings.Contains(text, errMoved.Error()) { // the library does not wrap all errors
		return fault.Invalid
	}
	if m := status.FindStringSubmatch(text); m != nil {
		code, _ = strconv.Atoi(m[1] + m[2] + m[3])
	}
	switch {
	case code == 401 || code == 403 || refusals.MatchString(text):
		return fault.Auth
	case code == 408 || code == 425 || code == 429:
		return fault.Unreachable
	case code >= 400 && code < 500:
		return fault.Invalid
	}
	return fault.Unreachable
}

// hidden stands where a part of the URL stood.
const hidden = "[hidden]"

// maxError bounds what is said of an error: answers of servers may be whole pages.
const maxError = 400

// clean takes everything out of a text that could be a part of the URL other than the name of a server: login, token, path,
// and the values of its parameters, as they are and in every form in which they may have been written.
func (a *address) clean(s string) string {
	for _, p := range a.parts() {
		s = strings.ReplaceAll(s, p, hidden)
	}
	s = strings.Join(strings.Fields(printable(s)), " ")
	for strings.Contains(s, hidden+hidden) {
		s = strings.ReplaceAll(s, hidden+hidden, hidden)
	}
	return cut(s, maxError)
}

// shortest is the length from which on a piece of the URL is taken out of texts: shorter ones stand in every sentence.
const shortest = 4

// pieces are where a service may take a token apart, or put it together.
var pieces = regexp.MustCompile(`[^A-Za-z0-9]+`)

// parts are the secret parts of the URL, the longest first.
func (a *address) parts() []string {
	raw := a.raw.Reveal()
	all := []string{raw}
	add := func(s string) {
		if len(s) >= shortest {
			all = append(all, s, url.QueryEscape(s), url.PathEscape(s))
		}
		for _, p := range pieces.Split(s, -1) {
			if len(p) >= shortest {
				all = append(all, p)
			}
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		add(raw)
		return longestFirst(all)
	}
	password, _ := u.User.Password()
	for _, s := range []string{password, u.User.Username()} {
		if s == password || len(s) >= shortest {
			all = append(all, s, url.QueryEscape(s), url.PathEscape(s))
		}
	}
	if password != "" { // as it is sent: AUTH PLAIN and LOGIN, HTTP's Basic; some servers repeat the command that they do not take
		user := u.User.Username()
		for _, s := range []string{"\x00" + user + "\x00" + password, user + ":" + password, password} {
			all = append(all, base64.StdEncoding.EncodeToString([]byte(s)))
		}
	}
	if a.scheme == "smtp" { // the rest are names that people need to see: server, sender, recipients
		return longestFirst(all)
	}
	add(password)
	add(u.User.Username())
	add(u.Path)
	add(u.EscapedPath())
	add(u.Fragment)
	for _, p := range strings.Split(u.Path, "/") {
		add(p)
	}
	for _, values := range u.Query() {
		for _, v := range values {
			if v != "http" && v != "https" {
				add(v)
			}
		}
	}
	if !slices.Contains(withHost, a.scheme) {
		add(u.Host)
	}
	return longestFirst(all)
}

func longestFirst(list []string) []string {
	slices.SortFunc(list, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == "" })
}
