package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/signature"
)

// signedOptions say how an approval is signed.
type signedOptions struct {
	sign    bool
	key     keyOptions
	expires time.Duration
	as      string
	print   bool
	file    string // a signature that was made elsewhere
	text    string // the file that it was made of
}

func (o *signedOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVar(&o.sign, "sign", false, "sign the approval, as runbooks with approvers want it")
	o.key.addFlags(f)
	f.DurationVar(&o.expires, "expires", 15*time.Minute, "how long the signed approval may be taken, at most 24h")
	f.BoolVar(&o.print, "print", false, "print the text to sign, and do nothing")
	f.StringVar(&o.as, "as", "", "with --print: the approver's `name` in the lab file")
	f.StringVar(&o.file, "signature", "", "send the signature in `FILE`, as ssh-keygen -Y sign wrote it")
	f.StringVar(&o.text, "text", "", "the `file` that was signed (default: that of --signature without .sig)")
}

// check finds options that make no sense together.
func (o *signedOptions) check() error {
	ways := 0
	for _, is := range []bool{o.sign, o.print, o.file != ""} {
		if is {
			ways++
		}
	}
	switch {
	case ways > 1:
		return usage("--sign, --print and --signature are three ways: choose one")
	case o.key.file != "" && !o.sign:
		return usage("--key without --sign: there is nothing to sign")
	case o.as != "" && !o.print:
		return usage("--as belongs to --print: a signature says by its key whose it is")
	case o.text != "" && o.file == "":
		return usage("--text belongs to --signature")
	case o.file != "" && o.text == "" && !strings.HasSuffix(o.file, ".sig"):
		return usage("--signature %s: which text was signed? Name its file with --text", o.file)
	case o.expires <= 0 || o.expires > signature.MaxExpiry:
		return usage("--expires %s: above zero, at most %dh", o.expires, int(signature.MaxExpiry.Hours()))
	}
	return nil
}

// fits says whether the run wants what was given.
func (o *signedOptions) fits(sheet runapi.Sheet, run string) error {
	given := o.sign || o.file != ""
	switch {
	case sheet.Approvers == nil && given:
		return usage("run %s wants no signature, as the lab file names no approvers for %s: leave out --sign and --signature", run, sheet.Runbook)
	case sheet.Approvers != nil && !given:
		return &exitError{exitRefused, fmt.Errorf("run %s waits for %s: approve it with `nightshift approve %s --sign`", run, sheet.Waiting, run)}
	}
	return nil
}

// mayApprove are the approvers of the run who did not ask for it.
func mayApprove(sheet runapi.Sheet) (list []plan.Approver) {
	for _, p := range sheet.Approvers.Of {
		q := sheet.Requester
		if q == nil || q.Key == "" || !signature.SamePerson(p, plan.Approver{Name: q.Name, Key: q.Key}) {
			list = append(list, p)
		}
	}
	return list
}

// toSign is the approval of a run's plan, without a name.
func (s *session) toSign(ctx context.Context, run string, sheet runapi.Sheet, hash string, expires time.Time) (signature.Approval, error) {
	info, err := s.runs.Info(ctx, run)
	return signature.Approval{Lab: sheet.Lab, Runbook: sheet.Runbook, Run: run, FirstRun: info.FirstRun, Plan: hash, Expires: expires}, err
}

// signedApproval is the signature: of a file, or made now, after the text was shown. sure: nobody is asked.
func (a *app) signedApproval(ctx context.Context, o signedOptions, s *session, run string, sheet runapi.Sheet, hash string, sure bool) (*runapi.Signature, error) {
	if o.file != "" {
		return readSignature(o)
	}
	k, err := a.signingKey(ctx, o.key, mayApprove(sheet))
	if err != nil {
		return nil, err
	}
	defer k.Close()
	text, err := s.toSign(ctx, run, sheet, hash, a.now().Add(o.expires))
	if err != nil {
		return nil, err
	}
	text.Approver = k.who.Name
	a.notef("To be signed as %s with the %s key %s:\n\n%s", k.who.Name, k.PublicKey().Type(), signature.Fingerprint(k.PublicKey()), indent(text.Text()))
	if !sure {
		if err := a.agree(ctx, run, "Approve this plan, and sign that?"); err != nil {
			return nil, err
		}
	}
	return k.sign(signature.ApprovalNamespace, text.Text())
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

func readSignature(o signedOptions) (*runapi.Signature, error) {
	var out [2]string
	for i, file := range []string{cmp.Or(o.text, strings.TrimSuffix(o.file, ".sig")), o.file} {
		b, err := readInput(file, mostSigned)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usage("there is no file %s: it is made by `nightshift approve RUN --print`, and signed by `ssh-keygen -Y sign`", file)
		}
		if err != nil {
			return nil, err
		}
		out[i] = string(b)
	}
	if _, err := signature.Verify(out[1], signature.ApprovalNamespace, out[0]); err != nil {
		return nil, &exitError{exitRefused, fmt.Errorf("%s: %w", o.file, err)}
	}
	return &runapi.Signature{Text: out[0], SSH: out[1]}, nil
}

// printApproval prints the text that an approver signs elsewhere, and nothing else.
func (a *app) printApproval(ctx context.Context, args []string, o signedOptions) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	run, err := s.runID(ctx, cmp.Or(args...))
	if err != nil {
		return err
	}
	sheet, hash, err := s.waiting(ctx, run)
	if err != nil {
		return err
	}
	if sheet.Approvers == nil {
		return usage("run %s wants no signature, as the lab file names no approvers for %s", run, sheet.Runbook)
	}
	may := mayApprove(sheet)
	name := o.as
	if name == "" && len(may) == 1 {
		name = may[0].Name
	}
	for _, p := range may {
		if p.Name != name {
			continue
		}
		text, err := s.toSign(ctx, run, sheet, hash, a.now().Add(o.expires))
		if err != nil {
			return err
		}
		text.Approver = name
		a.printf("%s", text.Text())
		return nil
	}
	return usage("--print: who is to sign? One of %s, with --as NAME", namesOf(may))
}
