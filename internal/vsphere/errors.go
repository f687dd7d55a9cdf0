package vsphere

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"

	"nightshift/internal/fault"
)

// ErrNoTools says that a guest has no running VMware Tools, so that it cannot be asked to shut down. It is a fault.State.
var ErrNoTools = fault.As(fault.State, errors.New("no VMware Tools run in it"))

// errNoVCenter is an answer that no vCenter gives.
var errNoVCenter = errors.New("the answer is not that of a vCenter or an ESXi host")

// A callError is the text of a failed call with the cause below it.
type callError struct {
	text  string
	cause error
}

func (e *callError) Error() string { return e.text }
func (e *callError) Unwrap() error { return e.cause }

// explain gives the error of a call its text and its kind. op says what was tried, on what: "power off guest vm-42".
func (c *Client) explain(op string, err error) error { return c.say(op+" at "+c.name, err, false) }

// connecting is explain for the time before the login: an answer that is no SOAP then means another machine, later a
// vCenter that is starting or stopping.
func (c *Client) connecting(op string, err error) error { return c.say(op, err, true) }

func (c *Client) say(op string, err error, connecting bool) error {
	var done *callError
	if err == nil || errors.As(err, &done) {
		return err
	}
	kind, text := describe(err, connecting)
	text = op + ": " + text
	if secret := c.password.Reveal(); len(secret) >= 4 {
		text = strings.ReplaceAll(text, secret, "***")
	}
	said := error(&callError{text, err})
	if kind != nil {
		said = fault.As(kind, said)
	}
	return marked(faultOf(err), said)
}

// describe finds the kind of an error (nil: none fits) and the words for it.
func describe(err error, connecting bool) (error, string) {
	if f := faultOf(err); f != nil {
		return describeFault(f, serverMessage(err))
	}
	if soapFault(err) != nil {
		return nil, serverMessage(err)
	}
	if kind, text := describeTLS(err); kind != nil {
		return kind, text
	}
	return describeTransport(err, connecting)
}

// faultOf is the vSphere fault in err, nil where there is none.
func faultOf(err error) types.BaseMethodFault {
	var f interface{ Fault() types.BaseMethodFault }
	if errors.As(err, &f) {
		return f.Fault()
	}
	return nil
}

func soapFault(err error) *soap.Fault {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if soap.IsSoapFault(e) {
			return soap.ToSoapFault(e)
		}
	}
	return nil
}

// serverMessage is the text that the server sent along.
func serverMessage(err error) string {
	if f := soapFault(err); f != nil {
		return strings.TrimSpace(f.String)
	}
	return ""
}

// faultName is the name of the type: "InvalidPowerState".
func faultName(f types.BaseMethodFault) string {
	t := reflect.TypeOf(f)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

func notAuthenticated(err error) bool {
	_, is := faultOf(err).(*types.NotAuthenticated)
	return is
}

// refusedLogin says that the server looked at the account and said no.
func refusedLogin(err error) bool {
	kind, _ := describe(err, true)
	return errors.Is(kind, fault.Auth) || errors.Is(kind, fault.Permission)
}

// describeTLS knows the errors of certificates. What endpoint says about a pinned fingerprint is said already.
func describeTLS(err error) (error, string) {
	if errors.Is(err, fault.Identity) {
		return fault.Identity, inner(err).Error()
	}
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
	)
	if errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &verify) {
		return fault.Identity, "its certificate is not trusted: " + inner(err).Error() +
			" (look at its fingerprint and record it with `nightshift lab trust`)"
	}
	return nil, ""
}

// describeTransport knows what is no answer, or no SOAP.
func describeTransport(err error, connecting bool) (error, string) {
	var (
		wire   *url.Error
		record tls.RecordHeaderError
		syntax *xml.SyntaxError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return fault.Unreachable, "cancelled before it answered"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fault.Unreachable, "no answer in time"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return notVCenter(connecting, "it does not speak TLS")
	case errors.As(err, &wire):
		if status := httpStatus(wire.Err); status != 0 {
			return describeStatus(status, wire.Err.Error(), connecting)
		}
		return fault.Unreachable, wire.Err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF"):
		return fault.Unreachable, "the answer broke off"
	case errors.Is(err, errNoVCenter), isDecoding(err):
		return notVCenter(connecting, err.Error())
	}
	var network net.Error
	if errors.As(err, &network) {
		return fault.Unreachable, err.Error()
	}
	return nil, err.Error()
}

func describeStatus(status int, text string, connecting bool) (error, string) {
	switch {
	case status == 401:
		return fault.Auth, "login refused (HTTP " + text + ")"
	case status == 403:
		return fault.Permission, "no permission (HTTP " + text + ")"
	case status == 429 || status >= 500:
		return fault.Unreachable, "not ready (HTTP " + text + ")"
	}
	return notVCenter(connecting, "HTTP "+text)
}

// notVCenter is final only before the login: a vCenter that restarts answers oddly for a while.
func notVCenter(connecting bool, text string) (error, string) {
	if connecting {
		return fault.Unsupported, "what answers there is no vCenter and no ESXi host (" + text + "): look at the url in the lab file"
	}
	return fault.Unreachable, "no usable answer (" + text + ")"
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// isDecoding says that something answered, but not with SOAP: io.EOF that is not wrapped comes from the decoder.
func isDecoding(err error) bool {
	var syntax *xml.SyntaxError
	var element xml.UnmarshalError
	return errors.As(err, &syntax) || errors.As(err, &element) || err == io.EOF //nolint:errorlint // wrapped, it is the connection's
}

var statusLine = regexp.MustCompile(`^(\d{3})( |$)`)

// httpStatus reads govmomi's unexported status error. 0: it is none.
func httpStatus(err error) int {
	m := statusLine.FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // three digits
	return n
}

// inner is err without the HTTP client's prefix.
func inner(err error) error {
	var wire *url.Error
	if errors.As(err, &wire) {
		return wire.Err
	}
	return err
}

// named is "words (Fault)", with the server's own words where it has some.
func named(words string, f types.BaseMethodFault, message string) string {
	text := fmt.Sprintf("%s (%s)", words, faultName(f))
	// vcsim and others repeat the type's name, or give the code of the message only.
	if message != "" && !strings.HasPrefix(message, "*types.") && !strings.HasPrefix(message, "types.") {
		text += ": " + message
	}
	return text
}
