// Package signaturetest has FIDO keys for tests, which are none, and an agent that has them as an agent has real ones.
package signaturetest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// A FIDO does what a FIDO key does, without one: OpenSSH's PROTOCOL.u2f.
type FIDO struct {
	key   ssh.PublicKey
	raw   crypto.Signer
	flags byte
}

// NewFIDO makes a key of the kind, ssh.KeyAlgoSKED25519 or ssh.KeyAlgoSKECDSA256. Of the flags of its signatures 1 is that somebody
// touched it, 4 that a PIN was given.
func NewFIDO(tb testing.TB, kind string, flags byte) FIDO {
	tb.Helper()
	var wire []byte
	var raw crypto.Signer
	if kind == ssh.KeyAlgoSKED25519 {
		public, key, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(tb, err)
		raw, wire = key, ssh.Marshal(struct {
			Type        string
			Key         []byte
			Application string
		}{kind, public, "ssh:"})
	} else {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(tb, err)
		point, err := key.PublicKey.Bytes()
		require.NoError(tb, err)
		raw, wire = key, ssh.Marshal(struct {
			Type, Curve string
			Key         []byte
			Application string
		}{kind, "nistp256", point, "ssh:"})
	}
	public, err := ssh.ParsePublicKey(wire)
	require.NoError(tb, err)
	return FIDO{public, raw, flags}
}

// PublicKey makes it an ssh.Signer.
func (f FIDO) PublicKey() ssh.PublicKey { return f.key }

// Sign makes it an ssh.Signer.
func (f FIDO) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	application, digest := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	rest := []byte{f.flags, 0, 0, 0, 7}
	m := append(append(append([]byte{}, application[:]...), rest...), digest[:]...)
	var blob []byte
	switch k := f.raw.(type) {
	case ed25519.PrivateKey:
		blob = ed25519.Sign(k, m)
	case *ecdsa.PrivateKey:
		sum := sha256.Sum256(m)
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			return nil, err
		}
		blob = ssh.Marshal(struct{ R, S *big.Int }{r, s})
	}
	return &ssh.Signature{Format: f.key.Type(), Blob: blob, Rest: rest}, nil
}

// Agent is an agent that has these keys, for agent.ServeAgent.
func Agent(keys ...FIDO) agent.Agent { return fidoAgent{agent.NewKeyring(), keys} }

type fidoAgent struct {
	agent.Agent
	keys []FIDO
}

// List tells the keys, as ssh-add -l does.
func (a fidoAgent) List() (out []*agent.Key, _ error) {
	for _, k := range a.keys {
		out = append(out, &agent.Key{Format: k.key.Type(), Blob: k.key.Marshal(), Comment: "FIDO"})
	}
	return out, nil
}

// Sign has the key sign.
func (a fidoAgent) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	for _, k := range a.keys {
		if bytes.Equal(k.key.Marshal(), key.Marshal()) {
			return k.Sign(rand.Reader, data)
		}
	}
	return nil, errors.New("no such key")
}
