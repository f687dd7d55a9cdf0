package endpoint_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
)

// silent accepts connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestCertificate(t *testing.T) {
	s, requests := serve(t, nil)
	c, err := endpoint.Certificate(t.Context(), parse(t, s.URL+"/sdk"))
	require.NoError(t, err)
	require.True(t, c.Equal(s.Certificate()))
	require.Len(t, endpoint.Fingerprint(c), 32*3-1)
	require.Equal(t, strings.ToUpper(endpoint.Fingerprint(c)), endpoint.Fingerprint(c))
	require.Zero(t, *requests)
}

func TestCertificateOfAnOldBMC(t *testing.T) {
	s := oldBMC(t)
	c, err := endpoint.Certificate(t.Context(), parse(t, s.URL))
	require.NoError(t, err)
	require.True(t, c.Equal(s.Certificate()))
}

func TestCertificateFails(t *testing.T) {
	_, err := endpoint.Certificate(t.Context(), parse(t, "http://vc1"))
	require.ErrorIs(t, err, fault.Invalid)
	s, _ := serve(t, nil)
	s.Close()
	_, err = endpoint.Certificate(t.Context(), parse(t, s.URL))
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "fetch the certificate of "+s.Listener.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = endpoint.Certificate(ctx, parse(t, "https://"+silent(t)))
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
