package storage

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A stream is a header, a record for each unit in the order of their numbers, and an end. It is our own: it is only read
// by another simulated host. Bytes in it are as many as in a real one, divided by the scale.
const (
	magic     = "nightshift-simulated-stream 1\n"
	maxHeader = 1 << 20
	maxUnit   = 64 << 20
)

// A header says what a stream is of.
type header struct {
	Snapshot  string // as the sender calls it
	To, From  uint64 // GUIDs; From 0: all of it
	Made      time.Time
	Volume    bool
	Size      int64 // of the volume
	Block     int64
	Unit      int64
	Scale     int64
	Refs      int64
	Large     bool // blocks of more than 128 KiB as they are
	Raw       bool
	Key       string // of Raw: where its key comes from
	IV        uint64 // of Raw: the IV sets of To and From
	FromIV    uint64
	Props     map[string]string // with -p
	Resumes   bool
	Have      int64 // records that the receiver has, where it resumes
	HaveBytes int64
	Records   int64 // in all
}

const (
	aUnit byte = 1
	anEnd byte = 2
)

func writeHeader(w io.Writer, h header) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint32([]byte(magic), uint32(len(text)))
	_, err = w.Write(append(b, text...))
	return err
}

var (
	errNoStream  = errors.New("nothing came")
	errBadMagic  = errors.New("bad magic number")
	errTruncated = errors.New("incomplete stream")
	errChecksum  = errors.New("checksum mismatch")
)

func readHeader(r io.Reader) (header, error) {
	var h header
	b := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(r, b); err != nil {
		return h, errNoStream
	}
	n := binary.BigEndian.Uint32(b[len(magic):])
	if string(b[:len(magic)]) != magic || n > maxHeader {
		return h, errBadMagic
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, errTruncated
	}
	if json.Unmarshal(text, &h) != nil || h.Unit <= 0 || h.Unit > maxUnit || h.Scale <= 0 {
		return h, errBadMagic
	}
	return h, nil
}

// record is a unit as it goes over the wire: its number, its name, whether its bytes are its own, and as many bytes as it has
// by the scale, with their checksum.
func record(i int64, u unit, size, scale int64) []byte {
	body := u.data
	own := byte(1)
	if body == nil {
		own = 0
		body = make([]byte, max(size/scale, 1))
		fill(body, u.id)
	}
	b := make([]byte, 0, 26+len(body))
	b = append(b, aUnit)
	b = binary.BigEndian.AppendUint64(b, uint64(i))
	b = binary.BigEndian.AppendUint64(b, u.id)
	b = append(b, own)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// fill makes the bytes that follow from an id: they do not compress.
func fill(b []byte, id uint64) {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], id)
	_, _ = rand.NewChaCha8(seed).Read(b) // it never fails
}

// readRecord reads one; done: it was the end.
func readRecord(r io.Reader) (i int64, u unit, done bool, err error) {
	b := make([]byte, 22)
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return 0, u, false, errTruncated
	}
	if b[0] == anEnd {
		return 0, u, true, nil
	}
	if b[0] != aUnit {
		return 0, u, false, errChecksum
	}
	if _, err := io.ReadFull(r, b[1:]); err != nil {
		return 0, u, false, errTruncated
	}
	n := binary.BigEndian.Uint32(b[18:])
	if n > maxUnit {
		return 0, u, false, errChecksum
	}
	body := make([]byte, n+4)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, u, false, errTruncated
	}
	sum := crc32.Update(crc32.ChecksumIEEE(b), crc32.IEEETable, body[:n])
	if sum != binary.BigEndian.Uint32(body[n:]) {
		return 0, u, false, errChecksum
	}
	u.id = binary.BigEndian.Uint64(b[9:])
	if b[17] == 1 {
		u.data = body[:n:n]
	}
	return int64(binary.BigEndian.Uint64(b[1:])), u, false, nil
}

// A partial is what has arrived of a stream.
type partial struct {
	header
	layer   layer
	records int64
	bytes   int64     // nominal
	on      *snapshot // the newest when it began; nil: of a full stream
	props   map[string]string
}

// token is its receive_resume_token: of the form of OpenZFS's, 1-CHECKSUM-SIZE-COMPRESSED (zfs_get_receive_resume_token).
func (p *partial) token() string {
	text, _ := json.Marshal(header{Snapshot: p.Snapshot, To: p.To, From: p.From, Unit: p.Unit, Have: p.records, HaveBytes: p.bytes, Large: p.Large, Raw: p.Raw}) // plain data
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(text) // into memory
	_ = z.Close()
	return fmt.Sprintf("1-%x-%x-%s", crc32.ChecksumIEEE(packed.Bytes()), len(text), hex.EncodeToString(packed.Bytes()))
}

// parseToken reads one; why is what zfs send says of one that is none.
func parseToken(token string) (h header, why string) {
	f := strings.Split(token, "-")
	if len(f) != 4 {
		return h, "resume token is corrupt (invalid format)"
	}
	if f[0] != "1" {
		return h, "resume token is corrupt (invalid version " + f[0] + ")"
	}
	packed, err := hex.DecodeString(f[3])
	if err != nil {
		return h, "resume token is corrupt (payload is not hex-encoded)"
	}
	if sum, err := strconv.ParseUint(f[1], 16, 64); err != nil || sum != uint64(crc32.ChecksumIEEE(packed)) {
		return h, "resume token is corrupt (incorrect checksum)"
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return h, "resume token is corrupt (decompression failed)"
	}
	if json.NewDecoder(io.LimitReader(z, maxHeader)).Decode(&h) != nil {
		return h, "resume token is corrupt (nvlist_unpack failed)"
	}
	return h, ""
}
