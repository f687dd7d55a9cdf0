package signature

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	magic   = "SSHSIG"
	version = 1
	begin   = "-----BEGIN SSH SIGNATURE-----"
	end     = "-----END SSH SIGNATURE-----"
	// longest is the size of a signature, armoured, that is looked at: those of RSA keys with 16,384 bits are below it.
	longest = 16 << 10
	// userPresent is the flag of a FIDO key that was touched.
	userPresent = 0x01
)

// An envelope is the signature as PROTOCOL.sshsig has it, after the magic.
type envelope struct {
	Version   uint32
	Key       []byte
	Namespace string
	Reserved  []byte
	Hash      string
	Signature []byte
}

// signed is what is given to the key, after the magic.
type signed struct {
	Namespace string
	Reserved  []byte
	Hash      string
	Digest    []byte
}

// message is what is given to the key for a text.
func message(namespace string, reserved []byte, hash, text string) ([]byte, error) {
	var digest []byte
	switch hash {
	case "sha512":
		d := sha512.Sum512([]byte(text))
		digest = d[:]
	case "sha256":
		d := sha256.Sum256([]byte(text))
		digest = d[:]
	default:
		return nil, fmt.Errorf("the signature's hash is %q: sha512 and sha256 are allowed", hash)
	}
	return append([]byte(magic), ssh.Marshal(signed{namespace, reserved, hash, digest})...), nil
}

// Sign signs a text for a namespace: in PEM, as ssh-keygen -Y sign writes it. The signer may be one of an agent.
func Sign(signer ssh.Signer, namespace, text string) (string, error) {
	key := signer.PublicKey()
	parsed, err := ssh.ParsePublicKey(key.Marshal()) // an agent's key knows no more than its bytes
	if err != nil {
		return "", fmt.Errorf("the key cannot be read: %w", err)
	}
	if err := checkKey(parsed); err != nil {
		return "", err
	}
	const hash = "sha512"
	m, err := message(namespace, nil, hash, text)
	if err != nil {
		return "", err
	}
	sig, err := sign(signer, parsed.Type(), m)
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", Fingerprint(key), err)
	}
	blob := append([]byte(magic), ssh.Marshal(envelope{version, key.Marshal(), namespace, nil, hash, ssh.Marshal(*sig)})...)
	return armour(blob), nil
}

func sign(signer ssh.Signer, keyType string, m []byte) (*ssh.Signature, error) {
	if keyType != ssh.KeyAlgoRSA {
		return signer.Sign(rand.Reader, m)
	}
	s, ok := signer.(ssh.AlgorithmSigner)
	if !ok { // it would use SHA-1
		return nil, errors.New("this RSA key cannot sign with SHA-512")
	}
	return s.SignWithAlgorithm(rand.Reader, m, ssh.KeyAlgoRSASHA512)
}

// Verify checks the signature of a text, and answers the key that made it. Whose key that is, is the caller's business.
func Verify(armoured, namespace, text string) (ssh.PublicKey, error) {
	blob, err := dearmour(armoured)
	if err != nil {
		return nil, err
	}
	var e envelope
	if len(blob) < len(magic) || string(blob[:len(magic)]) != magic || ssh.Unmarshal(blob[len(magic):], &e) != nil {
		return nil, errors.New("this is no SSH signature")
	}
	if e.Version != version {
		return nil, fmt.Errorf("the SSH signature has format version %d, known is %d", e.Version, version)
	}
	if e.Namespace != namespace {
		return nil, fmt.Errorf("it was signed for namespace %q, %q is needed", e.Namespace, namespace)
	}
	key, err := ssh.ParsePublicKey(e.Key)
	if err != nil {
		return nil, errors.New("the key in the signature cannot be read")
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(e.Signature, &sig); err != nil {
		return nil, errors.New("the signature cannot be read")
	}
	if err := checkFormat(key.Type(), sig); err != nil {
		return nil, err
	}
	m, err := message(namespace, e.Reserved, e.Hash, text)
	if err != nil {
		return nil, err
	}
	if err := key.Verify(m, &sig); err != nil {
		return nil, errors.New("the signature does not belong to this text and key")
	}
	return key, nil
}

// checkFormat says why a signature of a key does not count: SHA-1, or a FIDO key that nobody touched.
func checkFormat(keyType string, sig ssh.Signature) error {
	switch keyType {
	case ssh.KeyAlgoRSA:
		if !slices.Contains([]string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}, sig.Format) {
			return fmt.Errorf("the RSA signature is of type %q: only SHA-2 counts (rsa-sha2-512, rsa-sha2-256)", sig.Format)
		}
	case ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		switch {
		case sig.Format != keyType:
			return fmt.Errorf("the signature is of type %q, the key of type %s", sig.Format, keyType)
		case len(sig.Rest) != 5: // flags and a counter
			return errors.New("the signature of the FIDO key cannot be read")
		case sig.Rest[0]&userPresent == 0:
			return errors.New("nobody touched the FIDO key: a key made with no-touch-required does not count")
		}
		return nil
	default:
		if sig.Format != keyType {
			return fmt.Errorf("the signature is of type %q, the key of type %s", sig.Format, keyType)
		}
	}
	if len(sig.Rest) > 0 {
		return errors.New("there is something behind the signature")
	}
	return nil
}

// armour wraps at 70 columns, as OpenSSH does.
func armour(blob []byte) string {
	var b strings.Builder
	b.WriteString(begin + "\n")
	for s := base64.StdEncoding.EncodeToString(blob); s != ""; {
		n := min(70, len(s))
		b.WriteString(s[:n] + "\n")
		s = s[n:]
	}
	b.WriteString(end + "\n")
	return b.String()
}

func dearmour(s string) ([]byte, error) {
	if len(s) > longest {
		return nil, errors.New("this is too long for an SSH signature")
	}
	body, ok := strings.CutPrefix(strings.TrimSpace(s), begin)
	if ok {
		body, ok = strings.CutSuffix(body, end)
	}
	if !ok {
		return nil, fmt.Errorf("this is no SSH signature: it stands between %q and %q", begin, end)
	}
	blob, err := base64.StdEncoding.Strict().DecodeString(strings.Join(strings.Fields(body), ""))
	if err != nil {
		return nil, errors.New("the SSH signature is damaged: what stands between its first and last line is no base64")
	}
	return blob, nil
}
