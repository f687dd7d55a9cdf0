//go:build e2e

package iscsi

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the protocol (RFC 7143) and SCSI call what is sent and answered here.
const (
	opCommand, opLogin                    = 0x01, 0x43
	opAnswer, opLoginAnswer, opDataIn     = 0x21, 0x23, 0x25
	toFullFeature                         = 0x87 // from negotiation to full feature phase
	readSimple                            = 0xc1 // the last PDU; data come; a simple task
	header                                = 48   // bytes
	good, checkCondition                  = 0, 2
	inquiry, vital, capacity, capacity16  = 0x12, 1, 0x9e, 0x10
	expected                              = 255 // bytes of an answer, at most
	atFlags, atData, atLUN, atTask        = 1, 5, 8, 16
	atExpected, atCommandSN, atCDB        = 20, 24, 32
	atStatus, atLoginStatus, atExpStatSN  = 3, 36, 28
	inquiryAllocation, capacityAllocation = 4, 13
)

// A session is a login at a target as whom nobody asks for a secret: what internal/iscsi decodes has to be bytes, which the tools of
// libiscsi do not show.
type session struct {
	t    *testing.T
	conn net.Conn
	sn   uint32 // of the next command
	stat uint32 // the last status that came
}

func (d *target) login(from initiator) *session {
	t := d.g.t
	t.Helper()
	conn, err := net.Dial("tcp", d.g.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	s := &session{t: t, conn: conn, sn: 1}
	pdu := make([]byte, header)
	pdu[0], pdu[atFlags], pdu[atLUN] = opLogin, toFullFeature, 0x80 // a random ISID
	s.send(pdu, []byte("InitiatorName="+from.name+"\x00SessionType=Normal\x00TargetName="+d.name+"\x00HeaderDigest=None\x00DataDigest=None\x00"))
	answer, _ := s.receive()
	require.Equal(t, byte(opLoginAnswer), answer[0]&0x3f)
	require.Zero(t, answer[atLoginStatus], "status class")
	require.Equal(t, byte(toFullFeature), answer[atFlags])
	return s
}

func (s *session) send(pdu, data []byte) {
	s.t.Helper()
	binary.BigEndian.PutUint32(pdu[atCommandSN:], s.sn)
	binary.BigEndian.PutUint32(pdu[atExpStatSN:], s.stat+1)
	pdu[atData], pdu[atData+1], pdu[atData+2] = byte(len(data)>>16), byte(len(data)>>8), byte(len(data))
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	_, err := s.conn.Write(append(pdu, data...))
	require.NoError(s.t, err)
}

func (s *session) receive() (pdu, data []byte) {
	s.t.Helper()
	pdu = make([]byte, header)
	_, err := io.ReadFull(s.conn, pdu)
	require.NoError(s.t, err)
	n := int(pdu[atData])<<16 | int(pdu[atData+1])<<8 | int(pdu[atData+2])
	data = make([]byte, (n+3)/4*4)
	_, err = io.ReadFull(s.conn, data)
	require.NoError(s.t, err)
	s.stat = binary.BigEndian.Uint32(pdu[24:])
	return pdu, data[:n]
}

// read sends a command that reads, and once more where the unit first wants to say that it is new; nil: it is refused.
func (s *session) read(lun int, cdb ...byte) []byte {
	s.t.Helper()
	for range 2 {
		pdu := make([]byte, header)
		pdu[0], pdu[atFlags], pdu[atLUN+1] = opCommand, readSimple, byte(lun)
		binary.BigEndian.PutUint32(pdu[atTask:], s.sn)
		binary.BigEndian.PutUint32(pdu[atExpected:], expected)
		copy(pdu[atCDB:], cdb)
		s.send(pdu, nil)
		s.sn++
		var all []byte
		for {
			answer, data := s.receive()
			if answer[0]&0x3f == opDataIn {
				all = append(all, data...)
				if answer[atFlags]&1 == 0 {
					continue // the status comes by itself
				}
			} else {
				require.Equal(s.t, byte(opAnswer), answer[0]&0x3f)
			}
			if answer[atStatus] == good {
				return all
			}
			require.Equal(s.t, byte(checkCondition), answer[atStatus])
			break
		}
	}
	return nil
}

// page is one of vital product data, or with standard the answer to INQUIRY.
func (s *session) page(lun, page int) []byte {
	cdb := make([]byte, 6)
	cdb[0], cdb[inquiryAllocation] = inquiry, expected
	if page != standard {
		cdb[1], cdb[2] = vital, byte(page)
	}
	return s.read(lun, cdb...)
}

func (s *session) capacity(lun int) []byte {
	cdb := make([]byte, 16)
	cdb[0], cdb[1], cdb[capacityAllocation] = capacity, capacity16, 32
	return s.read(lun, cdb...)
}
