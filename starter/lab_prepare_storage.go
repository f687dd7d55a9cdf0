package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
	"nightshift/internal/storagesetup"
)

type prepareOptions struct {
	as, key   string
	password  string
	yes, undo bool
}

func newLabPrepareStorageCommand(a *app) *cobra.Command {
	o := &prepareOptions{}
	c := &cobra.Command{
		Use:   "prepare-storage [HOST]…",
		Short: "Set storage hosts up for replication: account, keys, rights",
		Long: `Show what the storage hosts of the protection groups (or those named) need for replication, and what of it is there: the
service account of the lab file, by which key nightshift logs in as it, the source's key for the target (which may do
nothing there but zfs receive), known hosts, what ZFS lets the account do, and what it may do as root.

With --yes what is missing is done, and nothing else. What is done is written down on the host before it is done:
--undo --yes takes back that, and nothing else.

It logs in as an administrator: root, or somebody who may use sudo without a password. Without --key and --password the SSH
agent is asked, and without one of those you are.`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeStorageHost,
		RunE:              func(c *cobra.Command, args []string) error { return runLabPrepareStorage(c.Context(), a, *o, args) },
	}
	c.Flags().StringVar(&o.as, "as", "", "the administrator to log in as: root (required)")
	c.Flags().StringVar(&o.key, "key", "", "`file` of the administrator's key")
	c.Flags().StringVar(&o.password, "password", "", "where the administrator's password is: env:NAME, file:PATH or exec:COMMAND")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do it")
	c.Flags().BoolVar(&o.undo, "undo", false, "take back what was done here before")
	return c
}

func (a *app) completeStorageHost(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	lab, err := a.loadLab()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, h := range lab.StorageHosts {
		names = append(names, h.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func runLabPrepareStorage(ctx context.Context, a *app, o prepareOptions, args []string) error {
	switch {
	case o.as == "":
		return usage("--as is missing: the administrator to log in as, such as --as root")
	case o.key != "" && o.password != "":
		return usage("--key and --password: one of them")
	}
	if o.key != "" { // flags are relative to where the command runs, the lab file's paths to the lab file
		abs, err := filepath.Abs(o.key)
		if err != nil {
			return err
		}
		o.key = abs
	}
	lab, err := a.loadLab()
	if err != nil {
		return err
	}
	hosts, err := preparedHosts(lab, args)
	if err != nil {
		return err
	}
	p := &preparation{a: a, o: o, lab: lab}
	defer p.close()
	if err := p.connect(ctx, hosts); err != nil {
		return err
	}
	if o.undo {
		return p.takeBack(ctx)
	}
	return p.prepare(ctx)
}

// preparedHosts are those that are named, or all that are part of a protection group.
func preparedHosts(lab *inventory.Lab, names []string) ([]*inventory.StorageHost, error) {
	if len(names) == 0 {
		for _, g := range lab.ProtectionGroups {
			for _, n := range []string{g.Source.Host, g.Target.Host} {
				if !slices.Contains(names, n) {
					names = append(names, n)
				}
			}
		}
		if len(names) == 0 {
			return nil, usage("the lab file has no protectionGroups: nothing says what is to be replicated where (see examples/storage/lab.yaml)")
		}
	}
	var hosts []*inventory.StorageHost
	for _, n := range names {
		h, ok := lab.StorageHost(n)
		switch {
		case !ok:
			var all []string
			for _, h := range lab.StorageHosts {
				all = append(all, h.Name)
			}
			return nil, usage("there is no storage host %q: %s", n, inventory.Allowed(n, all))
		case h.SSH.User == "":
			return nil, lab.Complain(fmt.Sprintf("storageHosts[%d].ssh", slices.IndexFunc(lab.StorageHosts, func(x inventory.StorageHost) bool { return x.Name == n })),
				"it is not said which account is to be made there", "add user: zfsadm, and its key:")
		case !slices.Contains(hosts, h):
			hosts = append(hosts, h)
		}
	}
	return hosts, nil
}

// A preparation is one of all hosts.
type preparation struct {
	a     *app
	o     prepareOptions
	lab   *inventory.Lab
	hosts []*preparedHost
}

type preparedHost struct {
	*storagesetup.Machine
	*inventory.StorageHost
	client *sshexec.Client
	want   storagesetup.Want
}

func (p *preparation) close() {
	for _, h := range p.hosts {
		h.client.Close()
	}
}

// connect logs in to all of them, and says what each is to be.
func (p *preparation) connect(ctx context.Context, hosts []*inventory.StorageHost) error {
	password := inventory.SecretRef(p.o.password)
	var typed inventory.Secret
	if p.o.key == "" && p.o.password == "" && os.Getenv("SSH_AUTH_SOCK") == "" {
		var err error
		if typed, err = p.askPassword(); err != nil {
			return err
		}
	}
	keys := map[string]string{}
	for _, h := range p.lab.StorageHosts {
		keys[h.Name] = h.SSH.HostKey
	}
	for _, h := range hosts {
		admin := inventory.SSH{Address: h.SSH.Address, User: p.o.as, Key: p.o.key, Password: password, HostKey: h.SSH.HostKey, KnownHosts: h.SSH.KnownHosts, Jump: h.SSH.Jump}
		if typed.Reveal() != "" {
			admin.User = ""
		}
		r, err := sshexec.Resolve(ctx, "storage host "+h.Name, admin, p.lab.Dir)
		if err != nil {
			return err
		}
		if typed.Reveal() != "" {
			r.User = p.o.as
			r = r.WithPassword(typed)
		}
		client, err := sshexec.Dial(ctx, r)
		if err != nil {
			return err
		}
		p.hosts = append(p.hosts, &preparedHost{Machine: storagesetup.New(client, p.o.as != "root"), StorageHost: h, client: client})
		keys[h.Name] = sshexec.HostKeyLine(client.HostKey())
	}
	for _, h := range p.hosts {
		login, why := p.login(ctx, h.StorageHost)
		h.want = storagesetup.Wants(p.lab, h.StorageHost, keys, login, why)
	}
	return nil
}
