package endpoint

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// A verifier decides whether the machine at the other end is the one that was meant. It is asked at every connection,
// resumed ones included, unlike tls.Config.VerifyPeerCertificate.
type verifier struct {
	name  string
	host  string         // name or address that the certificate must be for
	pin   *[32]byte      // SHA-256 that the certificate must have; then nothing else matters
	roots *x509.CertPool // nil: the system's
}

func (v verifier) verify(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return fault.As(fault.Identity, fmt.Errorf("%s (%s) shows no certificate", v.name, v.host))
	}
	leaf := s.PeerCertificates[0]
	if v.pin != nil {
		return v.verifyPin(leaf)
	}
	options := x509.VerifyOptions{Roots: v.roots, DNSName: v.host, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(options); err != nil {
		return fault.As(fault.Identity, fmt.Errorf("the certificate of %s (%s) cannot be trusted: %w; its fingerprint is %s: "+
			"run `nightshift lab trust` to compare and record it", v.name, v.host, err, Fingerprint(leaf)))
	}
	return nil
}

func (v verifier) verifyPin(leaf *x509.Certificate) error {
	if sha256.Sum256(leaf.Raw) == *v.pin {
		return nil
	}
	return fault.As(fault.Identity, fmt.Errorf("%s (%s) shows another certificate than the lab file has: it shows %s, recorded is %s; "+
		"if its certificate was renewed, run `nightshift lab trust`, else somebody may be in between",
		v.name, v.host, Fingerprint(leaf), inventory.FormatFingerprint(*v.pin)))
}

// pool reads the certificates of a PEM file.
func pool(pem []byte) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in it (PEM is wanted)")
	}
	return p, nil
}

// allowLegacy lets in what old BMCs speak: an iDRAC7 with old firmware has only TLS 1.0 and RSA key exchange. RC4 and 3DES stay out.
func allowLegacy(c *tls.Config) {
	c.MinVersion = tls.VersionTLS10
	for _, s := range tls.CipherSuites() {
		c.CipherSuites = append(c.CipherSuites, s.ID)
	}
	c.CipherSuites = append(c.CipherSuites,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
}
