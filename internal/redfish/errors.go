package redfish

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stmcginnis/gofish/schemas"

	"nightshift/internal/fault"
)

// failure is an error whose text is whole and free of secrets; errors.Is finds the kinds. What caused it is not kept:
// its text might hold a token.
type failure struct {
	text   string
	kinds  []error
	status int
	infos  []info
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.kinds }

// info is one message of a Redfish error (DSP0266, "Error responses"), as far as it is needed.
type info struct {
	Message    string
	MessageID  string `json:"MessageId"`
	Resolution string
}

// answer is the status of an error answer and what it says; 0 where there was no answer.
func answer(err error) (status int, infos []info) {
	var f *failure
	if errors.As(err, &f) {
		return f.status, f.infos
	}
	var e *schemas.Error
	if !errors.As(err, &e) {
		return 0, nil
	}
	// gofish reads the messages too, but gives up on all when one has a field of another type, as iDRAC's MessageArgs.
	var body struct {
		Error struct {
			Code, Message string
			Infos         []info `json:"@Message.ExtendedInfo"`
		}
		Infos []info `json:"@Message.ExtendedInfo"`
	}
	raw := strings.TrimPrefix(e.Error(), fmt.Sprintf("%d: ", e.HTTPReturnedStatusCode))
	if json.Unmarshal([]byte(raw), &body) != nil {
		return e.HTTPReturnedStatusCode, nil
	}
	infos = append(body.Error.Infos, body.Infos...)
	if len(infos) == 0 && body.Error.Message != "" {
		infos = []info{{Message: body.Error.Message, MessageID: body.Error.Code}}
	}
	return e.HTTPReturnedStatusCode, infos
}

// says reports whether a message contains one of the words, in its id or its text, in any case.
func says(infos []info, words ...string) bool {
	for _, i := range infos {
		text := strings.ToLower(i.MessageID + " " + i.Message)
		for _, w := range words {
			if strings.Contains(text, strings.ToLower(w)) {
				return true
			}
		}
	}
	return false
}

// notReady: the controller answers, but cannot serve yet.
func notReady(err error) bool {
	status, infos := answer(err)
	return !sessionsFull(status, infos) && starting(status, infos)
}

// starting: its service comes up (SYS518 after a restart, SWC0700 while the Lifecycle Controller initializes), or too
// many ask at once.
func starting(status int, infos []info) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests ||
		status >= 400 && says(infos, "SWC0700", "SYS518")
}

func isFull(err error) bool { return sessionsFull(answer(err)) }

func sessionsFull(status int, infos []info) bool {
	return status >= 400 && says(infos, "RAC0218", "SessionLimitExceeded", "maximum number of user sessions")
}

// fail says what was tried, on what, what came back and what to do next. Without a kind among kinds it finds one.
func (c *Client) fail(what string, err error, kinds ...error) error {
	var known *failure
	if err == nil || errors.As(err, &known) {
		return err
	}
	f := &failure{}
	f.status, f.infos = answer(err)
	var said, remedy string
	var kind error
	if f.status != 0 {
		said = inOneLine(f)
		remedy, kind = judge(f)
	} else {
		said, remedy, kind = silence(err)
	}
	said, what = c.transport.short(said), c.transport.short(what)
	for _, i := range f.infos {
		if i.Resolution != "" {
			remedy += " (the service advises: " + c.transport.short(i.Resolution) + ")"
			break
		}
	}
	f.kinds = kinds
	if !slices.ContainsFunc(kinds, func(k error) bool { return !errors.Is(k, fault.NotDone) }) {
		f.kinds = append(slices.Clone(kinds), kind)
	}
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			f.kinds = append(f.kinds, end)
		}
	}
	f.text = c.transport.scrub(strings.TrimSuffix(fmt.Sprintf("%s: %s: %s: %s", c.where, what, said, remedy), ": "))
	return f
}

// failf is an error of ours, without an answer of the service behind it.
func (c *Client) failf(kind error, format string, args ...any) error {
	args = slices.Clone(args)
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = c.transport.short(text)
		}
	}
	return &failure{text: c.transport.scrub(c.where + ": " + fmt.Sprintf(format, args...)), kinds: []error{kind}}
}

// inOneLine is what an error answer says.
func inOneLine(f *failure) string {
	text := fmt.Sprintf("%d %s", f.status, http.StatusText(f.status))
	for _, i := range f.infos {
		text += fmt.Sprintf(" (%s)", strings.Trim(i.MessageID+": "+strings.TrimSpace(i.Message), ": "))
	}
	return text
}

// judge gives an answered refusal its kind and remedy.
func judge(f *failure) (remedy string, kind error) {
	client := f.status >= 400 && f.status < 500
	switch {
	case sessionsFull(f.status, f.infos):
		return "all its sessions are taken; wait until they time out (about 30 minutes), or end them in its web page or by restarting it", fault.Unreachable
	case f.status == http.StatusUnauthorized, client && says(f.infos, "RAC0212"):
		return "check its user and password; nothing is tried again by itself, for accounts get locked", fault.Auth
	case f.status == http.StatusForbidden:
		return "give its user the right to log in and to control power (iDRAC: role Operator or Administrator)", fault.Permission
	case f.status == http.StatusNotFound:
		return "check its address and `system:` in the lab file", fault.NotFound
	case f.status == http.StatusMethodNotAllowed, f.status == http.StatusNotImplemented:
		return "its firmware does not have this; update it", fault.Unsupported
	case f.status >= 300 && f.status < 400:
		return "it sends elsewhere, which is not followed; give the address it sends to (https:// instead of http://?)", fault.Unsupported
	case starting(f.status, f.infos):
		return "its service is not ready; try again in some minutes", fault.Unreachable
	case client && says(f.infos, "PSU501", "already", "InvalidOperationForSystemState", "ResourceInUse"), f.status == http.StatusConflict:
		return "read the power state before anything else", fault.State
	case client && says(f.infos, "ActionParameterNotSupported", "ActionParameterValue", "ActionNotSupported", "PropertyValueNotInList"):
		return "it does not know this; see which ResetTypes it allows (nightshift lab check)", fault.Unsupported
	case client:
		return "look into its log; a newer firmware may help", fault.Invalid
	default:
		return "look into its log; restart the controller if it stays so", fault.Unreachable
	}
}

// silence words an error to which no answer of the service belongs.
func silence(err error) (said, remedy string, kind error) {
	garbled := broken(err)
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without it the text repeats method and address
	}
	said = err.Error()
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, fault.Identity):
		return said, "", fault.Identity // it says what to do
	case errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid):
		return said, "record its fingerprint (nightshift lab trust) or name its CA in the lab file", fault.Identity
	case strings.Contains(said, "protocol version"), strings.Contains(said, "handshake failure"):
		return said, "an old controller may need `legacyTLS: true` in the lab file; a newer firmware is better", fault.Unreachable
	case strings.Contains(said, "gave HTTP response to HTTPS client"):
		return said, "this port speaks plain HTTP: check the port", fault.Unsupported
	case strings.Contains(said, "malformed HTTP"):
		return said, "this port speaks something else than HTTP: check the port", fault.Unsupported
	case garbled:
		return "the answer is not the JSON that was expected: " + said, "try again; restart the controller or update its firmware if it stays so", fault.Unreachable
	case errors.Is(err, context.Canceled):
		return said, "it was given up here", fault.Unreachable
	default:
		return said, "is it powered, on this network, and this its address?", fault.Unreachable
	}
}

// broken: an answer came, but its body is not the JSON that was expected.
func broken(err error) bool {
	var wrapped *url.Error
	if err == nil || errors.As(err, &wrapped) {
		return false
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
