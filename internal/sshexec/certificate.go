package sshexec

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
)

// certified logs in by a user certificate and its key; words are what errors call it. One that is not valid now is refused here:
// the server would count it as an attempt.
func certified(key ssh.Signer, path string) (signer ssh.Signer, words string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("its certificate: %w", err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(b) //nolint:dogsled // only the key
	cert, ok := public.(*ssh.Certificate)
	if err != nil || !ok {
		return nil, "", fmt.Errorf("%s is no certificate: `ssh-keygen -s` writes them into files named …-cert.pub", path)
	}
	if cert.CertType != ssh.UserCert {
		return nil, "", fmt.Errorf("the certificate %s is for a host, not for a user", path)
	}
	if err := valid(cert, time.Now()); err != nil {
		return nil, "", fmt.Errorf("the certificate %s %w: have the key signed again", path, err)
	}
	if signer, err = ssh.NewCertSigner(cert, key); err != nil {
		return nil, "", fmt.Errorf("the certificate %s is for another key than %s", path, ssh.FingerprintSHA256(key.PublicKey()))
	}
	return signer, fmt.Sprintf("certificate %q", cert.KeyId), nil
}

// valid says of a certificate that is not valid at a time why that is so.
func valid(cert *ssh.Certificate, now time.Time) error {
	at := uint64(max(now.Unix(), 0))
	day := func(t uint64) string { return time.Unix(int64(min(t, 1<<40)), 0).UTC().Format("2006-01-02 15:04 MST") }
	switch {
	case at < cert.ValidAfter:
		return errors.New("is not valid before " + day(cert.ValidAfter))
	case at >= cert.ValidBefore:
		return errors.New("expired at " + day(cert.ValidBefore))
	}
	return nil
}
