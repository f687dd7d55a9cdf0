package endpoint

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// loginServer takes one password and one public key, and counts attempts.
func loginServer(t *testing.T, password string, user ssh.PublicKey) (addr string, host ssh.PublicKey, tries *atomic.Int32) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	tries = new(atomic.Int32)
	config := &ssh.ServerConfig{
		PasswordCallback: func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			tries.Add(1)
			if string(p) == password {
				return nil, nil
			}
			return nil, errors.New("no")
		},
		KeyboardInteractiveCallback: func(ssh.ConnMetadata, ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			tries.Add(1) // a second way to send the same password
			return nil, errors.New("no")
		},
		PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if user != nil && string(k.Marshal()) == string(user.Marshal()) {
				return nil, nil
			}
			return nil, errors.New("no")
		},
	}
	config.AddHostKey(signer)
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _, _, _, _ = ssh.NewServerConn(conn, config); _ = conn.Close() }()
		}
	}()
	return ln.Addr().String(), signer.PublicKey(), tries
}

func TestSSHLoginIsTriedOnce(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "id"), pem.EncodeToMemory(block), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "junk"), []byte("hunter2"), 0o600))
	t.Setenv("GOOD", "right")
	t.Setenv("BAD", "wrong")
	addr, host, tries := loginServer(t, "right", signer.PublicKey())
	line := HostKeyLine(host)
	for name, c := range map[string]struct {
		ssh   inventory.SSH
		kind  error
		tries int32
	}{
		"password":        {inventory.SSH{User: "u", Password: "env:GOOD", HostKey: line}, nil, 1},
		"key":             {inventory.SSH{User: "u", Key: "id", HostKey: line}, nil, 0},
		"wrong password":  {inventory.SSH{User: "u", Password: "env:BAD", HostKey: line}, fault.Auth, 1},
		"no user":         {inventory.SSH{HostKey: line}, nil, 0},
		"no host key":     {inventory.SSH{User: "u", Password: "env:GOOD"}, fault.Identity, 0},
		"other host key":  {inventory.SSH{User: "u", Password: "env:GOOD", HostKey: HostKeyLine(signer.PublicKey())}, fault.Identity, 0},
		"no such secret":  {inventory.SSH{User: "u", Password: "env:NOT_SET_ANYWHERE", HostKey: line}, fault.Invalid, 0},
		"not a key file":  {inventory.SSH{User: "u", Key: "junk", HostKey: line}, fault.Invalid, 0},
		"no such machine": {inventory.SSH{Address: "127.0.0.1:1", User: "u", Password: "env:GOOD", HostKey: line}, fault.Unreachable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tries.Store(0)
			if c.ssh.Address == "" {
				c.ssh.Address = addr
			}
			err := SSHLogin(context.Background(), c.ssh, dir)
			if c.kind == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.kind)
				require.NotContains(t, err.Error(), "hunter2")
			}
			require.Equal(t, c.tries, tries.Load())
		})
	}
}
