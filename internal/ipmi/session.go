package ipmi

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/types"
)

// A command is one of IPMI's (Appendix G).
type command struct {
	netFn, cmd byte
	name       string
}

var (
	getChassisStatus    = command{0x00, 0x01, "the chassis status"}
	chassisControl      = command{0x00, 0x02, "Chassis Control"}
	getDeviceID         = command{0x06, 0x01, "the device id"}
	getSystemGUID       = command{0x06, 0x37, "the system GUID"}
	setSessionPrivilege = command{0x06, 0x3B, "the session's privilege level"}
	closeSession        = command{0x06, 0x3C, "Close Session"}
	getFRUArea          = command{0x0A, 0x10, "the size of the FRU inventory"}
	readFRU             = command{0x0A, 0x11, "the FRU inventory"}
)

// A suite is a cipher suite (§13.26): all three of its algorithms must be there, so that neither suite 0 nor any without
// encryption is ever taken.
type suite struct {
	auth      types.AuthAlg
	integrity types.IntegrityAlg
	crypt     types.CryptAlg
}

// suites that are offered, the better one first: 17 and 3.
func suites() []suite {
	return []suite{
		{types.AuthAlg_HMAC_SHA256, types.IntegrityAlg_HMAC_SHA256_128, types.CryptAlg_AES_CBC_128},
		{types.AuthAlg_HMAC_SHA1, types.IntegrityAlg_HMAC_SHA1_96, types.CryptAlg_AES_CBC_128},
	}
}

// A session is one that is active, on a socket of its own.
type session struct {
	conn             net.Conn
	suite            suite
	console, managed uint32 // ids: ours, the controller's
	k1, k2           []byte
	out              uint32 // number of the last packet sent
	in               window
	number           byte     // of the last request
	guid             [16]byte // of the server, as told at the login
}

// A reply is what a controller answers to a command.
type reply struct {
	code completion
	data []byte
}

func (s *session) idBytes() []byte { return binary.LittleEndian.AppendUint32(nil, s.managed) }

// command sends a request and waits for its answer until ctx ends. With again it is sent again after that time, doubled
// each time, as a new request; without, it is one datagram. sent is false where nothing went out.
func (s *session) command(ctx context.Context, c command, data []byte, again time.Duration) (got reply, sent bool, err error) {
	pending := map[byte]bool{}
	sent, err = ask(ctx, s.conn, again, func() ([]byte, error) {
		s.number = (s.number + 1) & 0x3F
		pending[s.number] = true
		return s.seal(request(c, s.number, data))
	}, func(packet []byte) bool {
		message, ok := s.open(packet)
		if !ok {
			return false
		}
		number, r, ok := response(c, message)
		if ok && pending[number] {
			got = r
			return true
		}
		return false
	})
	return got, sent, err
}

var long = time.Unix(1, 0) // ago: a deadline that ends a read at once

// ask writes a datagram, and reads until one fits. Others are not there: anybody can send them.
func ask(ctx context.Context, conn net.Conn, again time.Duration, datagram func() ([]byte, error), fits func([]byte) bool) (sent bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(long) })()
	buf := make([]byte, 4096)
	for ; ; again *= 2 {
		packet, err := datagram()
		if err != nil {
			return sent, err
		}
		if _, err := conn.Write(packet); err != nil {
			return sent, err
		}
		sent = true
		until := time.Time{}
		if again > 0 {
			until = time.Now().Add(again)
		}
		if err := conn.SetReadDeadline(until); err != nil {
			return sent, err
		}
		for quiet := false; !quiet; {
			if err := ctx.Err(); err != nil { // also where it ended before the deadline was set
				return sent, err
			}
			n, err := conn.Read(buf)
			var timeout net.Error
			switch {
			case err == nil && fits(buf[:n]):
				return sent, nil
			case errors.As(err, &timeout) && timeout.Timeout():
				quiet = ctx.Err() == nil
			case err != nil:
				return sent, err
			}
		}
	}
}

// Addresses on the bus between console and controller (§5.5).
const (
	busController = 0x20
	busConsole    = 0x81
)

// request is a message as §13.8 has it.
func request(c command, number byte, data []byte) []byte {
	m := []byte{busController, c.netFn << 2}
	m = append(m, checksum(m), busConsole, number<<2, c.cmd)
	m = append(m, data...)
	return append(m, checksum(m[3:]))
}

// response takes the answer to a command out of a message.
func response(c command, m []byte) (number byte, r reply, ok bool) {
	if len(m) < 8 || checksum(m[:2]) != m[2] || checksum(m[3:len(m)-1]) != m[len(m)-1] || m[1]>>2 != c.netFn|1 || m[5] != c.cmd {
		return 0, r, false
	}
	return m[4] >> 2, reply{completion(m[6]), bytes.Clone(m[7 : len(m)-1])}, true
}

// checksum makes the sum of all bytes zero.
func checksum(b []byte) byte {
	sum := byte(0)
	for _, x := range b {
		sum += x
	}
	return -sum
}

// Layout of an RMCP+ packet (§13.6).
const (
	typeIPMI         = 0x00
	typeOpenRequest  = 0x10
	typeOpenResponse = 0x11
	typeRAKP1        = 0x12
	typeRAKP2        = 0x13
	typeRAKP3        = 0x14
	typeRAKP4        = 0x15

	encrypted, authenticated = 0x80, 0x40

	sessionAt, numberAt, lengthAt, payloadAt = 6, 10, 14, 16
)

func rmcp() []byte { return []byte{0x06, 0x00, 0xFF, 0x07, 0x06} } // RMCP 1.0, no acknowledgement, IPMI, RMCP+

// plain is a packet outside of a session.
func plain(kind byte, payload []byte) []byte {
	p := append(rmcp(), kind, 0, 0, 0, 0, 0, 0, 0, 0)
	p = binary.LittleEndian.AppendUint16(p, uint16(len(payload)))
	return append(p, payload...)
}

// unplain takes the payload out of a packet outside of a session.
func unplain(kind byte, p []byte) ([]byte, bool) {
	if len(p) < payloadAt || !bytes.Equal(p[:5], rmcp()) || p[5] != kind {
		return nil, false
	}
	n := int(binary.LittleEndian.Uint16(p[lengthAt:]))
	if len(p) < payloadAt+n {
		return nil, false
	}
	return p[payloadAt : payloadAt+n], true
}

// seal encrypts a message and authenticates the packet.
func (s *session) seal(message []byte) ([]byte, error) {
	iv := make([]byte, 16)
	_, _ = rand.Read(iv) // never fails
	payload, err := crypto.EncryptAESPayload(message, s.k2, iv)
	if err != nil {
		return nil, err
	}
	s.out++
	p := append(rmcp(), encrypted|authenticated|typeIPMI)
	p = binary.LittleEndian.AppendUint32(p, s.managed)
	p = binary.LittleEndian.AppendUint32(p, s.out)
	p = binary.LittleEndian.AppendUint16(p, uint16(len(payload)))
	p = append(p, payload...)
	pad := byte(0) // what is authenticated is a multiple of 4 bytes
	for ; (len(p)-4+2)%4 != 0; pad++ {
		p = append(p, 0xFF)
	}
	p = append(p, pad, 0x07)
	code, err := s.code(p[4:])
	return append(p, code...), err
}

func (s *session) code(p []byte) ([]byte, error) {
	return crypto.SessionIntegrityAuthCode(s.suite.integrity, p, s.k1, "")
}

// open takes the message out of a packet that is from our controller, in our session, and new.
func (s *session) open(p []byte) ([]byte, bool) {
	size, _ := crypto.IntegrityAuthCodeLen(s.suite.integrity)
	if len(p) < payloadAt+2+size || !bytes.Equal(p[:5], rmcp()) || p[5] != encrypted|authenticated|typeIPMI ||
		binary.LittleEndian.Uint32(p[sessionAt:]) != s.console {
		return nil, false
	}
	want, err := s.code(p[4 : len(p)-size])
	if err != nil || !hmac.Equal(want, p[len(p)-size:]) {
		return nil, false
	}
	n := int(binary.LittleEndian.Uint16(p[lengthAt:]))
	if n < 2*aes.BlockSize || n%aes.BlockSize != 0 { // less than a vector and a block: the library would panic
		return nil, false
	}
	if len(p) < payloadAt+n+2+size || !s.in.fresh(binary.LittleEndian.Uint32(p[numberAt:])) {
		return nil, false
	}
	message, err := crypto.DecryptAESPayload(p[payloadAt:payloadAt+n], s.k2)
	return message, err == nil
}

// A window knows which packets have been seen, so that none is taken twice (§6.12.13).
type window struct {
	last uint32
	seen uint32 // bit i: last-i was seen
}

func (w *window) fresh(n uint32) bool {
	switch ahead := n - w.last; {
	case n == 0:
		return false
	case n > w.last:
		w.seen = w.seen<<min(ahead, 32) | 1
		w.last = n
		return true
	}
	behind := w.last - n
	if behind >= 32 || w.seen&(1<<behind) != 0 {
		return false
	}
	w.seen |= 1 << behind
	return true
}
