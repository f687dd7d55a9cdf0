package vmfs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// What a backup of a volume has of it, in bytes. The file system's hidden metadata files begin with its descriptor; the first 8 MiB
// of them are what people have always saved (.vh.sf).
const (
	lvmMost        = 24 << 20
	fsMetadata     = 8 << 20
	backupVersion  = 1
	maxBackup      = 128 << 20 // unpacked
	maxDescription = 1 << 20
	// BackupMost is more than a backup ever reads of a device.
	BackupMost = lvmMost + fsMetadata + InspectMost
)

// Names of files in a backup.
const (
	descriptionFile = "backup.json"
	readmeFile      = "README.txt"
)

// Parts of a volume that a backup has.
const (
	PartTable      = "partition table"
	PartLVM        = "LVM metadata"
	PartFileSystem = "metadata of the file system"
)

// A Backup is the partition table, the LVM header and the metadata of one extent of a volume at one moment. As a file it is a
// compressed tar archive, so that it can be used without nightshift: a description, and a file for each piece.
type Backup struct {
	Version int       `json:"version"`
	Taken   time.Time `json:"taken"`
	Run     string    `json:"run,omitempty"`
	Lab     string    `json:"lab,omitempty"`
	Host    string    `json:"host"`   // the storage host
	Device  string    `json:"device"` // there
	Dataset string    `json:"dataset,omitempty"`
	LUN     string    `json:"lun"` // the name of the logical unit
	NAA     string    `json:"naa,omitempty"`
	Serial  string    `json:"serial,omitempty"`
	Size    int64     `json:"size"` // of the device, in bytes
	// What the volume said of itself.
	Scheme  string      `json:"scheme"`
	Parts   []Partition `json:"partitions,omitempty"`
	VML     string      `json:"vml,omitempty"`
	Volume  string      `json:"volume,omitempty"`
	UUID    string      `json:"uuid,omitempty"`
	Label   string      `json:"label,omitempty"`
	VMFS    string      `json:"vmfs,omitempty"`
	Problem string      `json:"problem,omitempty"` // why it could not be read to its end
	Pieces  []Piece     `json:"pieces"`
}

// A Piece is a part of the device, as it lies in a file of the archive.
type Piece struct {
	What   string `json:"what"` // PartTable, …
	File   string `json:"file"`
	Offset int64  `json:"offset"` // on the device, in bytes
	Length int64  `json:"length"`
	SHA256 string `json:"sha256"`
}

// Describe sets what b says of a volume, and the pieces to save of it. Without an LVM header that is its partition table alone.
func (b *Backup) Describe(v Volume) {
	b.Scheme, b.Parts, b.Pieces = v.Table.Scheme, v.Table.Partitions, nil
	for _, e := range v.Table.Sectors {
		b.add(PartTable, e.Offset, int64(len(e.Bytes)))
	}
	if v.LVM.Major == 0 {
		return
	}
	base := v.Partition.Offset()
	b.VML, b.Volume = v.LVM.Disk.VML(), v.LVM.Volume.String()
	b.add(PartLVM, base+LVMOffset, min(v.LVM.DataOffset-LVMOffset, lvmMost))
	if fs := v.FileSystem; fs != nil {
		b.UUID, b.Label, b.VMFS = fs.UUID.String(), fs.Label, fs.Version()
		b.add(PartFileSystem, base+v.LVM.DataOffset+fsOffset, fsMetadata)
	}
}

func (b *Backup) add(what string, at, length int64) {
	if b.Size > 0 {
		length = min(length, b.Size/Sector*Sector-at)
	}
	if length > 0 {
		b.Pieces = append(b.Pieces, Piece{What: what, File: fmt.Sprintf("at-%d.bin", at), Offset: at, Length: length})
	}
}

// Words is a partition table for people: "MBR, partition 1: VMFS (fb), sectors 128 to 1572859889".
func Words(scheme string, parts []Partition) string {
	if len(parts) == 0 {
		return scheme + ", no partition"
	}
	text := scheme
	for _, p := range parts {
		kind := p.Type
		if p.VMFS {
			kind = "VMFS (" + p.Type + ")"
		}
		text += fmt.Sprintf(", partition %d: %s, sectors %d to %d", p.Number, kind, p.First, p.Last)
	}
	return text
}

// Table are the pieces of the partition table.
func (b Backup) Table() (list []Piece) {
	for _, p := range b.Pieces {
		if p.What == PartTable {
			list = append(list, p)
		}
	}
	return list
}

// WriteBackup reads the pieces of b from the device and writes the archive. The description comes first, so that it can be read alone.
func WriteBackup(w io.Writer, r io.ReaderAt, b Backup) (Backup, error) {
	b.Version = backupVersion
	data := make([][]byte, len(b.Pieces))
	for i := range b.Pieces {
		p := &b.Pieces[i]
		var err error
		if data[i], err = read(r, p.Offset, int(p.Length)); err != nil {
			return b, fmt.Errorf("read the %s: %w", p.What, err)
		}
		sum := sha256.Sum256(data[i])
		p.SHA256 = hex.EncodeToString(sum[:])
	}
	description, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return b, err
	}
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	file := func(name string, data []byte) {
		h := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: b.Taken, Format: tar.FormatUSTAR}
		if err == nil {
			err = t.WriteHeader(h)
		}
		if err == nil {
			_, err = t.Write(data)
		}
	}
	file(descriptionFile, append(description, '\n'))
	file(readmeFile, []byte(b.readme()))
	for i, p := range b.Pieces {
		file(p.File, data[i])
	}
	return b, errors.Join(err, t.Close(), z.Close())
}

// readme is what a person does with the archive who has no nightshift.
func (b Backup) readme() string {
	var s bytes.Buffer
	fmt.Fprintf(&s, "The partition table, LVM header and metadata of the VMFS volume %q (%s) on %s of storage host %s, %s.\n\n", b.Label, b.UUID, b.Device, b.Host, b.Taken.UTC().Format(time.RFC3339))
	fmt.Fprintf(&s, "Each file is a part of the device. backup.json says where it lies and its SHA-256. To put the partition table back by hand, with the\n"+
		"LUN unmounted and detached on every host, and unpublished:\n\n")
	for _, p := range b.Table() {
		fmt.Fprintf(&s, "  dd if=%s of=%s bs=512 seek=%d conv=notrunc,fsync   # %s, %d bytes\n", p.File, b.Device, p.Offset/Sector, p.What, p.Length)
	}
	fmt.Fprintf(&s, "\nThe other files are for comparison and for experts: writing metadata of a file system back that has been used since destroys it.\n")
	return s.String()
}

// ErrBackup says that a file is no whole backup.
var ErrBackup = errors.New("no whole backup of a volume")

func openBackup(r io.Reader) (b Backup, t *tar.Reader, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return b, nil, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	t = tar.NewReader(io.LimitReader(z, maxBackup))
	h, err := t.Next()
	switch {
	case err != nil:
		return b, nil, fmt.Errorf("%w: %w", ErrBackup, err)
	case h.Name != descriptionFile || h.Size > maxDescription:
		return b, nil, fmt.Errorf("%w: it begins with %q of %d bytes, not with %s", ErrBackup, h.Name, h.Size, descriptionFile)
	}
	text, err := io.ReadAll(t)
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		return b, nil, fmt.Errorf("%w: %s: %w", ErrBackup, descriptionFile, err)
	}
	if b.Version != backupVersion {
		return b, nil, fmt.Errorf("%w: it is of version %d, %d is known", ErrBackup, b.Version, backupVersion)
	}
	return b, t, nil
}

// ReadBackup reads a whole backup, checks every checksum, and answers the sectors of the partition table.
func ReadBackup(r io.Reader) (Backup, []Extent, error) {
	b, t, err := openBackup(r)
	if err != nil {
		return b, nil, err
	}
	files := map[string][]byte{}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return b, nil, fmt.Errorf("%w: %w", ErrBackup, err)
		}
		if files[h.Name], err = io.ReadAll(t); err != nil {
			return b, nil, fmt.Errorf("%w: %s: %w", ErrBackup, h.Name, err)
		}
	}
	var table []Extent
	for _, p := range b.Pieces {
		data, ok := files[p.File]
		sum := sha256.Sum256(data)
		if !ok || hex.EncodeToString(sum[:]) != p.SHA256 || int64(len(data)) != p.Length || p.Offset < 0 || p.Offset%Sector != 0 || p.Length%Sector != 0 {
			return b, nil, fmt.Errorf("%w: %s is missing, or is not what it was", ErrBackup, p.File)
		}
		if p.What == PartTable {
			table = append(table, Extent{p.Offset, data})
		}
	}
	return b, table, nil
}
