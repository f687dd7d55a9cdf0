package ipmi

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/rmcpplus"
	"github.com/bougou/go-ipmi/pkg/types"

	"nightshift/internal/fault"
)

const (
	// logins is how often a login is begun anew whose messages got lost. A refused one is not.
	logins = 3
	// role asks for an operator's rights, and for the user by name (§13.20).
	operator = 0x03
	role     = 0x10 | operator
)

var (
	// errLost: a message of a login, or its answer, was lost after the controller had answered an earlier one.
	errLost = errors.New("the controller answered at first, and then no more")
	// errNobody: nothing at all came back.
	errNobody = errors.New("no answer")
)

// login makes a session (§13.15). The controller proves first that it knows the password (RAKP message 2), so that
// nothing made with ours goes to anybody else. A wrong password is noticed here, and nothing made with it is sent. (What
// the controller sends as proof, it sends to everybody who asks: a hash to try passwords on.)
func (c *Client) login(ctx context.Context) error {
	if c.refused != nil {
		return c.refused
	}
	var err error
	for i, s := range suites() {
		wait := c.patience.login
		if i < len(suites())-1 {
			wait = c.patience.offer
		}
		for range logins {
			if err = c.attempt(ctx, s, wait); err == nil || !errors.Is(err, errLost) || ctx.Err() != nil {
				break
			}
		}
		var no status
		if unknown := errors.As(err, &no) && no.otherSuite(); err == nil || !unknown && !errors.Is(err, errNobody) || ctx.Err() != nil {
			break // some controllers say nothing to a suite that they do not know
		}
	}
	var no status
	switch {
	case err == nil:
		return nil
	case errors.As(err, &no) && no.otherSuite():
		err = c.failf(fault.Unsupported, "logging in: it knows neither cipher suite 17 nor 3, and no weaker one is used: switch one of them on at the controller, or update its firmware")
	case errors.As(err, &no):
		err = c.refusal(no)
	case errors.Is(err, fault.Auth), errors.Is(err, fault.Permission), errors.Is(err, fault.Identity), errors.Is(err, fault.Unsupported), errors.Is(err, fault.Unreachable):
	case errors.Is(err, errNobody):
		err = c.fail("logging in", context.DeadlineExceeded)
	default:
		err = c.fail("logging in", err)
	}
	if errors.Is(err, fault.Auth) {
		c.refused = err
	}
	return err
}

// attempt makes a session in one suite, to whose offer it waits so long for an answer. A status is the controller's no.
func (c *Client) attempt(ctx context.Context, how suite, wait time.Duration) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", c.address)
	if err != nil {
		return err
	}
	h := &handshake{c: c, wait: wait, session: &session{conn: conn, suite: how, console: identifier()}}
	if err = h.run(ctx); err != nil {
		_ = conn.Close()
		return err
	}
	c.session, c.used, c.server = h.session, time.Now(), nil
	return c.operate(ctx)
}

// operate takes an operator's rights: a session begins with those of a user.
func (c *Client) operate(ctx context.Context) error {
	got, err := c.read(ctx, setSessionPrivilege, []byte{operator}, 1)
	if err == nil && got[0]&0x0F < operator {
		err = c.judge("reading "+setSessionPrivilege.name, 0xD4)
	}
	if err != nil && c.session != nil {
		out, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.patience.logout)
		defer cancel()
		_, _, _ = c.session.command(out, closeSession, c.session.idBytes(), 0) // what counts is err
		c.drop()
	}
	return err
}

// identifier is a session id of ours. 0 means none.
func identifier() uint32 {
	for {
		var b [4]byte
		_, _ = rand.Read(b[:]) // never fails
		if n := binary.LittleEndian.Uint32(b[:]); n != 0 {
			return n
		}
	}
}

// A handshake is a login under way.
type handshake struct {
	c       *Client
	wait    time.Duration
	session *session
	mine    [16]byte // random number
	theirs  [16]byte
}

func (h *handshake) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{h.openSession, h.first, h.second} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// exchange sends one message of the login and takes its answer.
func (h *handshake) exchange(ctx context.Context, kind byte, payload []byte, again time.Duration, take func([]byte) bool) error {
	wait := h.c.patience.login
	if kind == typeOpenRequest {
		wait = h.wait
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	packet := plain(kind, payload)
	_, err := ask(ctx, h.session.conn, again, func() ([]byte, error) { return packet, nil }, func(p []byte) bool {
		got, ok := unplain(kind+1, p)
		return ok && take(got)
	})
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errLost
	}
	return err
}

// openSession agrees on algorithms and ids. Nothing secret is in it, so it may be sent again.
func (h *handshake) openSession(ctx context.Context) error {
	s := h.session
	req := &rmcpplus.OpenSessionRequest{RemoteConsoleSessionID: s.console} // privilege level 0: the highest that fits
	req.AuthenticationPayload, req.IntegrityPayload, req.ConfidentialityPayload = rmcpplus.NewAlgorithmPayloads(s.suite.auth, s.suite.integrity, s.suite.crypt)
	res := &rmcpplus.OpenSessionResponse{}
	err := h.exchange(ctx, typeOpenRequest, req.Pack(), h.c.patience.again, func(p []byte) bool {
		*res = rmcpplus.OpenSessionResponse{}
		return res.Unpack(p) == nil && res.RemoteConsoleSessionID == s.console
	})
	switch {
	case errors.Is(err, errLost):
		return errNobody
	case err != nil:
		return err
	case res.RmcpStatusCode != types.RmcpStatusCodeNoErrors:
		return status(res.RmcpStatusCode)
	case res.AuthAlg != uint8(s.suite.auth) || res.IntegrityAlg != uint8(s.suite.integrity) || res.CryptAlg != uint8(s.suite.crypt):
		return h.c.failf(fault.Identity, "logging in: it answers with weaker algorithms than were asked for: somebody may be in between")
	}
	s.managed = res.ManagedSystemSessionID
	return nil
}

// first lets the controller prove that it knows the password (RAKP messages 1 and 2). It is sent once: the answer to a
// second one would hold another random number.
func (h *handshake) first(ctx context.Context) error {
	s := h.session
	_, _ = rand.Read(h.mine[:]) // never fails
	req := &rmcpplus.RAKPMessage1{ManagedSystemSessionID: s.managed, RemoteConsoleRandomNumber: h.mine, NameOnlyLookup: true,
		RequestedMaximumPrivilegeLevel: operator, UsernameLength: uint8(len(h.c.user)), Username: []byte(h.c.user)}
	res := &rmcpplus.RAKPMessage2{}
	err := h.exchange(ctx, typeRAKP1, req.Pack(), 0, func(p []byte) bool {
		*res = rmcpplus.RAKPMessage2{AuthAlg: s.suite.auth}
		return res.Unpack(p) == nil && res.RemoteConsoleSessionID == s.console
	})
	if err != nil {
		return err
	}
	if no := status(res.RmcpStatusCode); no.forgotten() {
		return errLost
	} else if res.RmcpStatusCode != types.RmcpStatusCodeNoErrors {
		return no
	}
	h.theirs, s.guid = res.ManagedSystemRandomNumber, res.ManagedSystemGUID
	want, err := crypto.RAKP2AuthCode(s.suite.auth, s.console, s.managed, h.mine[:], h.theirs[:], s.guid[:], role, h.c.user, h.key())
	if err != nil {
		return err
	}
	if !hmac.Equal(want, res.KeyExchangeAuthenticationCode) {
		return h.c.failf(fault.Auth, "logging in as %s: the controller knows another password, or no such user: %s", h.c.user, checkLogin)
	}
	return nil
}

// second proves that we know the password, and makes the keys (RAKP messages 3 and 4).
func (h *handshake) second(ctx context.Context) error {
	s := h.session
	sik, k1, k2, err := crypto.DeriveSessionKeys(s.suite.auth, h.mine[:], h.theirs[:], role, h.c.user, h.key())
	if err != nil {
		return err
	}
	code, err := crypto.RAKP3AuthCode(s.suite.auth, h.theirs[:], s.console, role, h.c.user, h.key())
	if err != nil {
		return err
	}
	req := &rmcpplus.RAKPMessage3{ManagedSystemSessionID: s.managed, KeyExchangeAuthenticationCode: code}
	res := &rmcpplus.RAKPMessage4{}
	err = h.exchange(ctx, typeRAKP3, req.Pack(), 0, func(p []byte) bool {
		*res = rmcpplus.RAKPMessage4{AuthAlg: s.suite.auth}
		return res.Unpack(p) == nil && res.MgmtConsoleSessionID == s.console
	})
	if err != nil {
		return err
	}
	if no := status(res.RmcpStatusCode); no.forgotten() {
		return errLost
	} else if res.RmcpStatusCode != types.RmcpStatusCodeNoErrors {
		return no
	}
	want, err := crypto.RAKP4ICV(s.suite.auth, h.mine[:], s.managed, s.guid[:], sik)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, res.IntegrityCheckValue) {
		return h.c.failf(fault.Unsupported, "logging in: it knows the password, but makes other keys of it: a BMC key (Kg) is set at the controller, which nightshift cannot use; clear it")
	}
	s.k1, s.k2 = k1, k2
	return nil
}

func (h *handshake) key() []byte { return crypto.PadPassword20([]byte(h.c.password)) }
