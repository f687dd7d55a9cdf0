package nut

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
)

// Ask connects, reads all variables of one UPS, and logs out. It needs no login.
func Ask(ctx context.Context, r endpoint.Resolved, ups string) (Vars, error) {
	c, err := Dial(ctx, r)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Vars(ups)
}

// Certificate fetches the certificate that a NUT server shows after STARTTLS. It is not verified, and no login is sent: it is
// there to be shown to a person.
func Certificate(ctx context.Context, r endpoint.Resolved) (*x509.Certificate, error) {
	r.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} //nolint:gosec // only to be shown
	c, err := Dial(ctx, r)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	conn, ok := c.conn.(*tls.Conn)
	if !ok || len(conn.ConnectionState().PeerCertificates) == 0 {
		return nil, fault.As(fault.Unreachable, errors.New(r.Name+" shows no certificate"))
	}
	return conn.ConnectionState().PeerCertificates[0], nil
}
