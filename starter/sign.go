package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/signature"
	"nightshift/workflows"
)

// keyOptions say which SSH key signs.
type keyOptions struct{ file string }

func (o *keyOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.file, "key", "", "SSH key `FILE` to sign with; a public one names a key of the agent (default: the agent's key of a person in the lab file)")
}

// A signingKey is an SSH key and the person of the lab file whose it is.
type signingKey struct {
	ssh.Signer
	who   plan.Approver
	agent io.Closer // nil: none
}

// Close ends the connection to the agent. A nil key has none.
func (k *signingKey) Close() {
	if k != nil && k.agent != nil {
		_ = k.agent.Close()
	}
}

// request signs the request for a run. A nil key signs nothing.
func (k *signingKey) request(p runapi.Params, run string, now time.Time) (*runapi.Signature, error) {
	if k == nil {
		return nil, nil //nolint:nilnil // no signature is asked for
	}
	req := workflows.Request(p, run)
	req.Requester, req.At = k.who.Name, now
	return k.sign(signature.RequestNamespace, req.Text())
}

func (k *signingKey) sign(namespace, text string) (*runapi.Signature, error) {
	sig, err := signature.Sign(k, namespace, text)
	if err != nil {
		return nil, err
	}
	return &runapi.Signature{Text: text, SSH: sig}, nil
}

// requestSigner is the key for `run --sign`: of one of the people of the lab file. Nil where nothing is to be signed.
func (a *app) requestSigner(ctx context.Context, o runOptions) (*signingKey, error) {
	if !o.sign {
		if o.key.file != "" {
			return nil, usage("--key without --sign: there is nothing to sign")
		}
		return nil, nil //nolint:nilnil // see above
	}
	lab, err := a.loadLab()
	if err != nil {
		return nil, err
	}
	people := lab.Signers()
	if len(people) == 0 {
		return nil, usage("--sign: the lab file knows no people; list them with their public keys under people:")
	}
	return a.signingKey(ctx, o.key, people)
}

// signingKey finds the key: in the file, or in the agent. It must be one of these people's.
func (a *app) signingKey(ctx context.Context, o keyOptions, people []plan.Approver) (*signingKey, error) {
	if o.file == "" {
		return a.agentKey(ctx, people)
	}
	b, err := os.ReadFile(o.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("there is no key file %s", o.file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if public, err := signature.ParseKey(string(b)); err == nil { // of a key that the agent has
		who, err := signature.Owner(public, people)
		if err != nil {
			return nil, notOf(o.file, err, people)
		}
		return a.agentKey(ctx, []plan.Approver{who})
	}
	s, err := a.parsePrivate(o.file, b)
	if err != nil {
		return nil, err
	}
	who, err := signature.Owner(s.PublicKey(), people)
	if err != nil {
		return nil, notOf(o.file, err, people)
	}
	return &signingKey{Signer: s, who: who}, nil
}

func notOf(file string, err error, people []plan.Approver) error {
	return &exitError{exitRefused, fmt.Errorf("%s: %w; who may: %s", file, err, namesOf(people))}
}

func namesOf(people []plan.Approver) string {
	var names []string
	for _, p := range people {
		names = append(names, p.Name)
	}
	return join(names)
}

// parsePrivate reads a private key, and asks for its passphrase where it has one.
func (a *app) parsePrivate(file string, b []byte) (ssh.Signer, error) {
	s, err := ssh.ParsePrivateKey(b)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if a.password == nil {
			return nil, fmt.Errorf("key %s has a passphrase, and nobody can be asked for it: add the key to ssh-agent (ssh-add %s)", file, file)
		}
		passphrase, askErr := a.password("Passphrase of " + file + ": ")
		if askErr != nil {
			return nil, fmt.Errorf("no passphrase for key %s: %w", file, askErr)
		}
		s, err = ssh.ParsePrivateKeyWithPassphrase(b, passphrase)
		clear(passphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("key %s cannot be used (%w): a FIDO key is used through ssh-agent (ssh-add %s, then leave out --key)", file, err, file)
	}
	return s, nil
}

// agentKey is the agent's key that belongs to one of these people.
func (a *app) agentKey(ctx context.Context, people []plan.Approver) (*signingKey, error) {
	socket := a.getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, errors.New("no ssh-agent is there to sign with (SSH_AUTH_SOCK is not set): start one, or give --key FILE")
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("the ssh-agent does not answer: %w; start one, or give --key FILE", err)
	}
	signers, err := agent.NewClient(c).Signers()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the ssh-agent tells no keys: %w", err), c.Close())
	}
	var has []string
	for _, s := range signers {
		if who, err := signature.Owner(s.PublicKey(), people); err == nil {
			return &signingKey{s, who, c}, nil
		}
		has = append(has, signature.Fingerprint(s.PublicKey()))
	}
	_ = c.Close()
	what := "it has no keys"
	if len(has) > 0 {
		what = "it has " + strings.Join(has, ", ")
	}
	return nil, &exitError{exitRefused, fmt.Errorf("the ssh-agent has no key of %s (%s): add it with ssh-add, or give --key FILE", namesOf(people), what)}
}
