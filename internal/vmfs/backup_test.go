package vmfs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func mailBackup(t testing.TB) (image, Volume, []byte, Backup) {
	t.Helper()
	m := document(t)
	v, err := Inspect(m, m.size)
	require.NoError(t, err)
	b := Backup{Taken: time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC), Host: "ss1", Device: "/dev/zvol/tank/mail", LUN: "mail", Size: m.size}
	b.Describe(v)
	var out bytes.Buffer
	b, err = WriteBackup(&out, m, b)
	require.NoError(t, err)
	return m, v, out.Bytes(), b
}

func TestBackup(t *testing.T) {
	_, v, file, b := mailBackup(t)
	require.Less(t, len(file), 200<<10, "most of it is zero")
	require.Equal(t, []Piece{
		{PartTable, "at-0.bin", 0, Sector, b.Pieces[0].SHA256},
		{PartLVM, "at-1114112.bin", 128*Sector + LVMOffset, 0x1000000, b.Pieces[1].SHA256},
		{PartFileSystem, "at-19988480.bin", 128*Sector + 0x1300000, 8 << 20, b.Pieces[2].SHA256}}, b.Pieces)
	require.Equal(t, "ss2-cstar-zs0.2", b.Label)

	again, table, err := ReadBackup(bytes.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, b, again)
	require.Equal(t, v.Table.Sectors, table)
}

// As a person reads it, without nightshift.
func TestABackupIsAnArchive(t *testing.T) {
	_, _, file, b := mailBackup(t)
	z, err := gzip.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	r := tar.NewReader(z)
	var names []string
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		names = append(names, h.Name)
		if h.Name == readmeFile {
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Contains(t, string(text), "dd if=at-0.bin of=/dev/zvol/tank/mail bs=512 seek=0 conv=notrunc,fsync")
		}
	}
	require.Equal(t, []string{descriptionFile, readmeFile, b.Pieces[0].File, b.Pieces[1].File, b.Pieces[2].File}, names)
}

func TestBackupOfAGPT(t *testing.T) {
	m := gptImage(t)
	table, err := ReadTable(m, m.size)
	require.NoError(t, err)
	b := Backup{Size: m.size}
	b.Describe(Volume{Table: table})
	var out bytes.Buffer
	_, err = WriteBackup(&out, m, b)
	require.NoError(t, err)
	b, sectors, err := ReadBackup(&out)
	require.NoError(t, err)
	require.Equal(t, table.Sectors, sectors)
	require.Len(t, b.Table(), 5)
	require.Equal(t, table.Partitions, b.Parts)
}

func TestWhatIsNoWholeBackup(t *testing.T) {
	_, _, file, _ := mailBackup(t)
	for name, broken := range map[string][]byte{"nothing": nil, "text": []byte("no archive"), "half": file[:len(file)/2], "most of it": file[:len(file)*9/10]} {
		_, _, err := ReadBackup(bytes.NewReader(broken))
		require.ErrorIs(t, err, ErrBackup, name)
	}
	repack := func(change func(name string, data []byte) []byte) []byte {
		z, err := gzip.NewReader(bytes.NewReader(file))
		require.NoError(t, err)
		r := tar.NewReader(z)
		var out bytes.Buffer
		zw := gzip.NewWriter(&out)
		w := tar.NewWriter(zw)
		for {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			data, err := io.ReadAll(r)
			require.NoError(t, err)
			if data = change(h.Name, data); data == nil {
				continue
			}
			h.Size = int64(len(data))
			require.NoError(t, w.WriteHeader(h))
			_, err = w.Write(data)
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		require.NoError(t, zw.Close())
		return out.Bytes()
	}
	for name, change := range map[string]func(name string, data []byte) []byte{
		"another byte": func(name string, data []byte) []byte {
			if name == "at-0.bin" {
				data[100] ^= 1
			}
			return data
		},
		"without a piece": func(name string, data []byte) []byte {
			if name == "at-0.bin" {
				return nil
			}
			return data
		},
		"of a later version": func(name string, data []byte) []byte {
			if name == descriptionFile {
				return bytes.Replace(data, []byte(`"version": 1`), []byte(`"version": 2`), 1)
			}
			return data
		},
		"without a description": func(name string, data []byte) []byte {
			if name == descriptionFile {
				return nil
			}
			return data
		},
	} {
		_, _, err := ReadBackup(bytes.NewReader(repack(change)))
		require.ErrorIs(t, err, ErrBackup, name)
	}
}

// FuzzReadBackup: whatever a file holds, it is a whole backup or an error.
func FuzzReadBackup(f *testing.F) {
	m := gptImage(f)
	table, err := ReadTable(m, m.size)
	require.NoError(f, err)
	b := Backup{Size: m.size}
	b.Describe(Volume{Table: table})
	var out bytes.Buffer
	_, err = WriteBackup(&out, m, b)
	require.NoError(f, err)
	f.Add(out.Bytes())
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, file []byte) {
		if b, table, err := ReadBackup(bytes.NewReader(file)); err == nil {
			require.Len(t, table, len(b.Table()))
		}
	})
}
