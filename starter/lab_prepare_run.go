package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
	"nightshift/internal/storagesetup"
	"nightshift/internal/terminal"
	"nightshift/internal/words"
)

func (p *preparation) askPassword() (inventory.Secret, error) {
	if p.a.password == nil {
		return inventory.Secret{}, usage("neither --key nor --password is given, there is no SSH agent (SSH_AUTH_SOCK), and no terminal to ask for a password on")
	}
	b, err := p.a.password(fmt.Sprintf("Password of %s: ", terminal.OneLine(p.o.as)))
	if err != nil {
		return inventory.Secret{}, fmt.Errorf("no password: %w", err)
	}
	defer clear(b)
	if len(b) == 0 {
		return inventory.Secret{}, &exitError{exitRefused, errors.New("no password was given; nothing was sent")}
	}
	return inventory.NewSecret(string(b)), nil
}

// login is the public key by which nightshift logs in as the service account, or why there is none to be written down.
func (p *preparation) login(ctx context.Context, h *inventory.StorageHost) (key, why string) {
	r, err := sshexec.Resolve(ctx, "its account "+h.SSH.User, h.SSH, p.lab.Dir)
	if err != nil {
		return "", oneLine(err)
	}
	r.Close()
	switch {
	case r.PublicKey() != "":
		return r.PublicKey(), ""
	case h.SSH.Certificate != "":
		return "", "by certificate: sshd_config there has to have its authority as TrustedUserCAKeys"
	}
	return "", "by password: set it there (passwd), or better give key: in the lab file"
}

// things reads all hosts and compares them. senders are read first, as targets are told their keys.
func (p *preparation) things(ctx context.Context) ([][]storagesetup.Thing, error) {
	senders := map[string]string{}
	for _, h := range p.hosts {
		if err := h.Read(ctx, h.want); err != nil {
			return nil, fmt.Errorf("storage host %s: %w", h.Name, err)
		}
		if h.want.Sends {
			senders[h.Name] = h.Key()
		}
	}
	var all [][]storagesetup.Thing
	for _, h := range p.hosts {
		all = append(all, h.Things(h.want, senders))
	}
	return all, nil
}

// mostRounds is how often it is read again: a key has to be there before others are told of it, and an account before its key.
const mostRounds = 4

func (p *preparation) prepare(ctx context.Context) error {
	things, err := p.things(ctx)
	if err != nil {
		return err
	}
	open := p.show(things)
	if !p.o.yes {
		if open > 0 && !p.a.json() {
			p.a.printf("\nNothing was done. With --yes %s; --undo takes that back.\n", words.CountOf(open, "thing is", "things are")+" done")
		}
		return p.json(things)
	}
	done := 0
	for round := 0; round < mostRounds && openOf(things) > 0; round++ {
		n, err := p.do(ctx, things)
		if done += n; err != nil {
			return fmt.Errorf("%w\nWhat was done before is done and written down: run it again when the cause is gone, or take it back with --undo --yes", err)
		}
		if things, err = p.things(ctx); err != nil {
			return err
		}
	}
	if err := p.json(things); err != nil {
		return err
	}
	if left := openOf(things); left > 0 {
		return fmt.Errorf("%s done, and %d are still not so: run it again to see which", words.Count(done, "thing"), left)
	}
	return p.verify(ctx, done)
}

func (p *preparation) do(ctx context.Context, things [][]storagesetup.Thing) (int, error) {
	done := 0
	for i, h := range p.hosts {
		n, err := h.Do(ctx, things[i], func(t storagesetup.Thing) { p.a.notef("%s: %s: done", t.Host, t.What) })
		if done += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

// verify logs in as the accounts, and has those that send try the way.
func (p *preparation) verify(ctx context.Context, done int) error {
	if !p.a.json() {
		p.a.printf("%s, all else was so already.\n", words.Count(done, "thing")+" done")
	}
	var wrong []error
	for _, h := range p.hosts {
		if !h.Tried() {
			continue
		}
		if h.want.Login != "" {
			if err := sshexec.Check(ctx, h.SSH, p.lab.Dir); err != nil {
				wrong = append(wrong, fmt.Errorf("log in to %s as %s: %w", h.Name, h.want.Account, err))
			}
		}
		for _, peer := range h.want.Known {
			if there := p.host(peer.Name); !peer.Sends || there == nil || !there.Tried() {
				continue
			}
			if err := h.Reaches(ctx, h.want, peer); err != nil {
				wrong = append(wrong, fmt.Errorf("%s does not reach %s at %s (replication.address says where): %w", h.Name, peer.Name, peer.Host, err))
			} else if !p.a.json() {
				p.a.printf("%s reaches %s as %s, and may do nothing there but receive.\n", h.Name, peer.Name, peer.Account)
			}
		}
	}
	return errors.Join(wrong...)
}

func (p *preparation) host(name string) *preparedHost {
	for _, h := range p.hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// takeBack undoes what is on the record of each host.
func (p *preparation) takeBack(ctx context.Context) error {
	things := make([][]storagesetup.Thing, len(p.hosts))
	for i, h := range p.hosts {
		if err := h.Read(ctx, h.want); err != nil {
			return fmt.Errorf("storage host %s: %w", h.Name, err)
		}
		things[i] = h.Record(h.Name)
	}
	p.show(things)
	if !p.o.yes {
		if len(slices.Concat(things...)) > 0 && !p.a.json() {
			p.a.printf("\nNothing was done. With --yes all of this is taken back, in this order.\n")
		}
		return p.json(things)
	}
	var wrong []error
	for i, h := range p.hosts {
		for k, t := range things[i] {
			if err := h.Undo(ctx, t); err != nil {
				things[i][k].State = storagesetup.Left
				wrong = append(wrong, err)
				continue
			}
			things[i][k].State = storagesetup.Undone
			p.a.notef("%s: %s: undone", t.Host, t.What)
		}
	}
	if err := p.json(things); err != nil {
		return err
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s, and on the record there:\n%w", words.CountOf(len(wrong), "thing is left as it is", "things are left as they are"), errors.Join(wrong...))
	}
	return nil
}

func openOf(things [][]storagesetup.Thing) int {
	n := 0
	for _, list := range things {
		for _, t := range list {
			if t.Open() || t.State == storagesetup.Waits {
				n++
			}
		}
	}
	return n
}

// show prints the table, and answers how much is to be done.
func (p *preparation) show(things [][]storagesetup.Thing) int {
	var rows [][]string
	for _, list := range things {
		for _, t := range list {
			rows = append(rows, []string{t.Host, t.What, t.State, terminal.OneLine(t.How)})
		}
	}
	if !p.a.json() {
		if len(rows) == 0 {
			p.a.printf("Nothing is on the record.\n")
			return 0
		}
		table(p.a.out, p.a.paint(), []string{"HOST", "WHAT", "STATE", "HOW"}, rows)
	}
	return openOf(things)
}

func (p *preparation) json(things [][]storagesetup.Thing) error {
	if !p.a.json() {
		return nil
	}
	all := []storagesetup.Thing{}
	for _, list := range things {
		all = append(all, list...)
	}
	return p.a.writeJSON(all)
}
