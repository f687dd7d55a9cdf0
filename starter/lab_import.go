package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/labimport"
	"nightshift/internal/terminal"
	"nightshift/internal/vsphere"
	"nightshift/internal/words"
)

type importOptions struct {
	vcenter, user, password string
	fingerprint, ca         string
	out, name               string
	records                 recordOptions
	fromRecords             []string
	replace                 bool
}

// toStdout is the file name that means standard output.
const toStdout = "-"

func newLabImportCommand(a *app) *cobra.Command {
	o := &importOptions{}
	c := &cobra.Command{
		Use:   "import",
		Short: "Write a first lab file from a live vCenter",
		Long: `Read a vCenter (nothing is changed) and write a lab file with its hosts, their BMCs where vCenter knows them, what the lab
stands on, and the start order as vApps, rules, vSphere HA and the hosts' autostart tell it. What is guessed says from what;
what only a person knows is a question: "# ?". The file is valid as it is, and lets nothing be switched off that has no BMC,
or that carries the vCenter or nightshift itself.

No certificate is accepted unseen: it is shown, and you are asked; or give --fingerprint or --ca. The password is asked for,
or read from where --password says; it never gets into the file.

Where only the replicas are left, --from-record reads the identity records that lie with them, on a storage host over SSH
(zfsadm@ss2.lab), or from a file: a lab file with the storage hosts, the protection groups and the VMs as proposals.`,
		Example: `  nightshift lab import --vcenter vcenter.example.com --user nightshift@vsphere.local
  nightshift lab import --vcenter https://192.0.2.10 --user admin --password env:VC_PASSWORD --fingerprint AA:BB:…
  nightshift lab import --from-record zfsadm@ss2.lab --key keys/zfsadm`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if len(o.fromRecords) > 0 {
				return runImportRecords(c.Context(), a, *o)
			}
			return runLabImport(c.Context(), a, *o)
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.fromRecords, "from-record", nil, "read identity records of a storage host (`USER@HOST[:PORT]`), or a file with one; may be repeated")
	o.records.flags(f)
	f.StringVar(&o.vcenter, "vcenter", "", "`URL` of the vCenter, or its name")
	f.StringVar(&o.user, "user", "", "`user` to log in as")
	f.StringVar(&o.password, "password", "", "where the password is kept: env:NAME, file:PATH or exec:COMMAND (default: it is asked for)")
	f.StringVar(&o.fingerprint, "fingerprint", "", "SHA-256 `fingerprint` of the vCenter's certificate")
	f.StringVar(&o.ca, "ca", "", "PEM `file` with the CA of the vCenter's certificate")
	f.StringVar(&o.out, "out", "", "the `file` to write; - is standard output (default: --lab, $NIGHTSHIFT_LAB or lab.yaml)")
	f.StringVar(&o.name, "name", "", "the lab's `name` (default: that of the datacenter)")
	f.BoolVar(&o.replace, "replace", false, "replace the file if there is one, without asking")
	return c
}

func runLabImport(ctx context.Context, a *app, o importOptions) error {
	path := cmp.Or(o.out, a.global.lab, a.getenv("NIGHTSHIFT_LAB"), "lab.yaml")
	e, err := o.entry(path)
	if err != nil {
		return err
	}
	replace, err := a.mayOverwrite(ctx, o, path)
	if err != nil {
		return err
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return usage("--vcenter: this is no URL")
	}
	if e.TLS.Fingerprint, err = a.confirmed(ctx, o, u); err != nil {
		return err
	}
	in := labimport.Input{Lab: o.name, VCenter: e, Machine: thisMachine()}
	r, err := endpoint.Resolve(ctx, "vCenter "+e.Name, e.Endpoint, dirOf(path))
	if err != nil {
		return err
	}
	if e.Password == "" {
		if r.Password, err = a.askPassword(e); err != nil {
			return err
		}
		in.Typed, in.VCenter.Password = true, "env:VC_PASSWORD"
	}
	if err := a.readForImport(ctx, r, &in); err != nil {
		return err
	}
	text, err := labimport.Write(in)
	if err != nil {
		return err
	}
	return a.writeImported(path, text, replace, []nextStep{
		{`look for "# ?" in it`, "which hosts may be switched off, and where are their BMCs?"},
		{"nightshift lab trust", "record certificates and serial numbers"},
		{"nightshift lab check --problems", "what is not in order yet"},
		{"nightshift plan power-down", "what would it do?"}})
}

// entry is what the options say, as it will stand in the lab file.
func (o importOptions) entry(path string) (inventory.VCenter, error) {
	var e inventory.VCenter
	switch {
	case o.vcenter == "":
		return e, usage("--vcenter is missing: the URL of the vCenter, such as https://vcenter.example.com")
	case o.user == "":
		return e, usage("--user is missing: who logs in to the vCenter")
	case o.fingerprint != "" && o.ca != "":
		return e, usage("--fingerprint and --ca: give one of them, as with a fingerprint the CA is not asked")
	case o.name != "" && labimport.LabName(o.name) != o.name:
		return e, usage("--name %s: lower-case letters, digits and dashes, at most 40", o.name)
	}
	e.URL = o.vcenter
	if !strings.Contains(e.URL, "://") {
		e.URL = "https://" + e.URL
	}
	e.URL = strings.TrimSuffix(strings.TrimRight(e.URL, "/"), "/sdk")
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "":
		return e, usage("--vcenter: this is no URL of a vCenter; https://HOST or https://HOST:PORT")
	case u.User != nil || strings.Contains(e.URL, "@"):
		return e, usage("--vcenter: the URL holds a login: use --user and --password")
	case u.Scheme != "https":
		return e, usage("--vcenter: %s:// is not allowed: use https://", u.Scheme)
	}
	e.Name, e.User, e.Password = vcenterName(u.Hostname()), o.user, inventory.SecretRef(o.password)
	if err := e.Password.Check(); err != nil {
		return e, usage("--password: %w", err)
	}
	if o.ca != "" {
		e.TLS.CA, err = relativeTo(path, o.ca)
	}
	return e, err
}

var addressLike = regexp.MustCompile(`^[0-9.]+$|:`)

// vcenterName is the first label of its name.
func vcenterName(host string) string {
	label, _, _ := strings.Cut(host, ".")
	if addressLike.MatchString(host) || label == "localhost" || label == "" {
		return "vcenter"
	}
	return label
}

func dirOf(path string) string {
	if path == toStdout {
		return "."
	}
	return filepath.Dir(path)
}

// relativeTo is a file as the lab file names it.
func relativeTo(labFile, file string) (string, error) {
	full, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(full); err != nil {
		return "", fmt.Errorf("--ca: %w", err)
	}
	dir, err := filepath.Abs(dirOf(labFile))
	if err != nil {
		return "", err
	}
	if near, err := filepath.Rel(dir, full); err == nil && !strings.HasPrefix(near, "..") {
		return near, nil
	}
	return full, nil
}

// mayOverwrite asks before an existing file goes, and before anything else is asked.
func (a *app) mayOverwrite(ctx context.Context, o importOptions, path string) (bool, error) {
	if path == toStdout {
		return false, nil
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if o.replace {
		return true, nil
	}
	ok, err := a.ask(ctx, fmt.Sprintf("%s is there already. Replace it? What is in it is lost.", path))
	switch {
	case errors.Is(err, errNoAnswer):
		return false, &exitError{exitRefused, fmt.Errorf("%s is there already, and nobody can be asked: give --replace, or --out another file", path)}
	case err != nil:
		return false, err
	case !ok:
		return false, &exitError{exitRefused, errors.New("nothing was written")}
	}
	return true, nil
}

// confirmed is the fingerprint by which the vCenter is to be known; empty: by a CA.
func (a *app) confirmed(ctx context.Context, o importOptions, u *url.URL) (string, error) {
	if o.ca != "" {
		return "", nil
	}
	cert, err := endpoint.Certificate(ctx, u)
	if err != nil {
		return "", err
	}
	shows := endpoint.Fingerprint(cert)
	if o.fingerprint != "" {
		want, err := inventory.ParseFingerprint(o.fingerprint)
		if err != nil {
			return "", usage("--fingerprint: this is no SHA-256 fingerprint: 64 hex digits, colons allowed")
		}
		if given := inventory.FormatFingerprint(want); given != shows {
			return "", &exitError{exitRefused, fmt.Errorf("%s shows another certificate than --fingerprint says: it shows %s. Somebody may be in between; nothing was sent", u.Host, shows)}
		}
		return shows, nil
	}
	if trustedBySystem(cert, u.Hostname()) {
		return "", nil
	}
	trustFact{Machine: "vCenter", Address: u.String(), What: "certificate", Shows: shows, State: trustNew,
		Note: fmt.Sprintf("%s, until %s", cert.Subject, cert.NotAfter.Format("2006-01-02"))}.text(a.err, false)
	ok, err := a.ask(ctx, "Is this your vCenter's certificate? Compare its fingerprint with what the machine itself shows.")
	switch {
	case errors.Is(err, errNoAnswer):
		return "", &exitError{exitRefused, fmt.Errorf("nobody can be asked whether this is the right certificate: compare it, and give --fingerprint %s; nothing was sent", shows)}
	case err != nil:
		return "", err
	case !ok:
		return "", &exitError{exitRefused, errors.New("the certificate was not accepted; nothing was sent")}
	}
	return shows, nil
}

func (a *app) askPassword(e inventory.VCenter) (inventory.Secret, error) {
	if a.password == nil {
		return inventory.Secret{}, usage("--password is missing, and there is no terminal to ask on: say where it is kept, env:NAME, file:PATH or exec:COMMAND")
	}
	b, err := a.password(fmt.Sprintf("Password of %s at %s: ", terminal.OneLine(e.User), e.URL))
	if err != nil {
		return inventory.Secret{}, fmt.Errorf("no password: %w", err)
	}
	defer clear(b)
	if len(b) == 0 {
		return inventory.Secret{}, &exitError{exitRefused, errors.New("no password was given; nothing was sent")}
	}
	return inventory.NewSecret(string(b)), nil
}

// readForImport logs in once and reads everything.
func (a *app) readForImport(ctx context.Context, r endpoint.Resolved, in *labimport.Input) error {
	client, err := vsphere.Connect(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(ctx) }() // it was only read
	if t := client.About().APIType; t != apiOfVCenter {
		return fmt.Errorf("%s is a single ESXi host, not a vCenter (%s): name the vCenter that manages it", r.URL.Host, t)
	}
	a.notef("Reading %s …", r.URL.Host)
	if in.Live, err = client.Inspect(ctx); err != nil {
		return err
	}
	if in.Setup, err = client.Setup(ctx); err != nil {
		return err
	}
	in.Addresses = lookUp(ctx, labimport.Names(in.VCenter.URL, in.Setup))
	return ctx.Err()
}

// A nextStep is what a person does after an import, and what it is for.
type nextStep struct{ do, why string }

// writeImported writes a lab file, and says what it holds and what comes next; to standard output only the file itself. A file that is not
// valid is written, too, with what is wrong: nobody makes it from nothing by hand.
func (a *app) writeImported(path string, text []byte, replace bool, next []nextStep) error {
	_, wrong := inventory.Parse(path, text)
	if problems := (inventory.Errors)(nil); errors.As(wrong, &problems) {
		text = labimport.WithProblems(text, problems)
	}
	if path == toStdout {
		if _, err := a.out.Write(text); err != nil {
			return err
		}
		return wrong
	}
	if err := inventory.WriteNew(path, text, replace); err != nil {
		return err
	}
	if wrong != nil {
		return fmt.Errorf("%w\n%s was written all the same, and says so at its end: correct it, then `nightshift lab validate`", wrong, path)
	}
	lab, err := inventory.Load(path)
	if err != nil {
		return err
	}
	questions := strings.Count(string(text), "# ? ") + strings.Count(string(text), ". ? ")
	if a.json() {
		return a.writeJSON(map[string]any{"file": lab.Path, "lab": lab.Lab, "hosts": len(lab.Hosts), "storageHosts": len(lab.StorageHosts), "guests": len(lab.Guests), "questions": questions})
	}
	holds := []string{"lab " + lab.Lab, labHolds(lab)}
	if n := len(lab.Guests); n > 0 {
		holds = append(holds, words.Count(n, "guest")+" of which there is something to say")
	}
	if questions > 0 {
		holds = append(holds, words.CountOf(questions, "question to you", "questions to you"))
	}
	a.printf("Wrote %s: %s.\n\n", path, join(holds))
	a.printf("Next:\n")
	if filepath.Clean(path) != filepath.Clean(cmp.Or(a.getenv("NIGHTSHIFT_LAB"), "lab.yaml")) { // commands look there
		for i, n := range next {
			if strings.HasPrefix(n.do, "nightshift ") {
				next[i].do += " --lab " + path
			}
		}
	}
	width := 0
	for _, n := range next {
		width = max(width, utf8.RuneCountInString(n.do))
	}
	for _, n := range next {
		a.printf("  %s%s  %s\n", n.do, strings.Repeat(" ", width-utf8.RuneCountInString(n.do)), n.why)
	}
	return nil
}
