package ipmi

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// The three ways in which controllers send one UUID, which all are to be known for it.
func TestUUID(t *testing.T) {
	const dell = "4c4c4544-0037-3510-8051-b7c04f4d3332"
	for name, sent := range map[string]string{
		"as SMBIOS has it":      "44454c4c370010358051b7c04f4d3332",
		"as it is read":         "4c4c454400373510" + "8051b7c04f4d3332",
		"whole in reverse":      "32334d4fc0b75180103537004445" + "4c4c",
		"reverse of RFC's form": "32334d4fc0b7518010353700" + "44454c4c",
	} {
		b, err := hex.DecodeString(sent)
		require.NoError(t, err)
		require.True(t, live.SameUUID(dell, uuid(b)), "%s: %s", name, uuid(b))
	}
	random, err := hex.DecodeString("d4c3b2a1f6e508479a0b1c2d3e4f5061")
	require.NoError(t, err)
	require.Equal(t, "a1b2c3d4-e5f6-4708-9a0b-1c2d3e4f5061", uuid(random))
}

func TestProduct(t *testing.T) {
	whole := inventoryOf("DELL", "PowerEdge R620", "7V54NY1")[8:]
	require.Equal(t, product{"DELL", "PowerEdge R620", "7V54NY1"}, parseProduct(whole))
	broken := append([]byte(nil), whole...)
	broken[5] ^= 1
	require.Equal(t, product{}, parseProduct(broken), "its checksum is wrong")
	require.Equal(t, "IPMI", fieldText(2, []byte{0x29, 0xDC, 0xA6}))
	require.Equal(t, "12 3-", fieldText(1, []byte{0x12, 0xA3, 0xB0})[:5])
}

func FuzzProduct(f *testing.F) {
	f.Add(inventoryOf("DELL", "PowerEdge R620", "7V54NY1")[8:])
	f.Add([]byte{1, 1, 0, 0xFF})
	f.Fuzz(func(_ *testing.T, area []byte) {
		if len(area) > 0 { // right checksum: deeper
			area[len(area)-1] = 0
			area[len(area)-1] = checksum(area)
		}
		parseProduct(area)
	})
}

// withPayload is a packet of the session with the right code, and any payload.
func (s *session) withPayload(t testing.TB, payload []byte) []byte {
	t.Helper()
	p := append(rmcp(), encrypted|authenticated|typeIPMI)
	p = binary.LittleEndian.AppendUint32(p, s.console)
	p = binary.LittleEndian.AppendUint32(p, s.in.last+1)
	p = binary.LittleEndian.AppendUint16(p, uint16(len(payload)))
	p = append(append(p, payload...), 0, 0x07)
	code, err := s.code(p[4:])
	require.NoError(t, err)
	return append(p, code...)
}

func testSession() *session {
	return &session{suite: suites()[0], console: 7, managed: 7, k1: make([]byte, 32), k2: make([]byte, 32)}
}

// What is not a vector and whole blocks cannot be decrypted, and is dropped, be its code right.
func TestPayloadsThatAreNoWholeBlocksAreDropped(t *testing.T) {
	s := testSession()
	whole, err := crypto.EncryptAESPayload(request(getChassisStatus, 1, nil), s.k2, make([]byte, 16))
	require.NoError(t, err)
	message, ok := s.open(s.withPayload(t, whole))
	require.True(t, ok)
	require.Equal(t, request(getChassisStatus, 1, nil), message)
	for n := range len(whole) {
		_, ok := s.open(s.withPayload(t, whole[:n]))
		require.False(t, ok, "%d bytes", n)
	}
	_, ok = s.open(s.withPayload(t, append(whole, make([]byte, 8)...)))
	require.False(t, ok)
}

// FuzzSeal: what one end seals, the other opens, once.
func FuzzSeal(f *testing.F) {
	f.Add([]byte(nil), uint8(0))
	f.Add(request(getChassisStatus, 1, nil), uint8(1))
	f.Add(bytes.Repeat([]byte{16}, 32), uint8(0))
	f.Fuzz(func(t *testing.T, message []byte, suite uint8) {
		s := testSession()
		s.suite = suites()[int(suite)%len(suites())]
		p, err := s.seal(message[:min(len(message), 1024)])
		require.NoError(t, err)
		got, ok := s.open(p)
		require.True(t, ok)
		require.True(t, bytes.Equal(message[:min(len(message), 1024)], got), "%x", got)
		_, ok = s.open(p)
		require.False(t, ok, "it was taken twice")
	})
}

// FuzzPacket: whatever arrives is dropped or taken, and nothing more.
func FuzzPacket(f *testing.F) {
	s := testSession()
	packet, err := s.seal(request(getChassisStatus, 1, nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packet)
	f.Add(packet[:20])
	f.Fuzz(func(t *testing.T, p []byte) {
		s := *s
		s.open(p)
		s.open(s.withPayload(t, p[:min(len(p), 1024)]))
		for _, size := range []int{len(p)} { // with the right code: deeper
			if size > payloadAt+2 {
				code, _ := s.code(p[4:])
				s.open(append(append([]byte(nil), p...), code...))
			}
		}
		_, _, _ = response(getChassisStatus, p)
		_, _ = unplain(typeRAKP2, p)
	})
}

func TestWindow(t *testing.T) {
	w := &window{}
	for _, x := range []struct {
		n    uint32
		want bool
	}{{0, false}, {1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {100, true}, {69, true}, {69, false}, {68, false}, {3, false}, {101, true}} {
		require.Equal(t, x.want, w.fresh(x.n), "%d", x.n)
	}
}

func TestCodes(t *testing.T) {
	c := &Client{where: "BMC of esx21 (ipmi://x)"}
	for code, kind := range map[completion]error{
		0xC0: fault.Unreachable, 0xD2: fault.Unreachable, 0xFF: fault.Unreachable, 0xC3: fault.Unreachable, 0xD4: fault.Permission,
		0xD5: fault.State, 0xC1: fault.Unsupported, 0xCC: fault.Unsupported, 0x99: fault.Invalid,
	} {
		err := c.judge("sending On", code)
		require.ErrorIs(t, err, kind, "%s", code)
		require.ErrorContains(t, err, "BMC of esx21 (ipmi://x): sending On: ")
	}
}
