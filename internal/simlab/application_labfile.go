package simlab

import (
	"path/filepath"
	"strings"
	"time"
)

// writeApplications writes the application clusters into the lab file: at the first member by password, at the others
// by key.
func (l *Lab) writeApplications(w *yamlWriter, dir string) {
	if len(l.apps) == 0 {
		return
	}
	w.line("applicationClusters:")
	for _, a := range l.apps {
		w.line("  - name: %s\n    members: [%s]\n    at:", a.spec.Name, strings.Join(a.spec.Members, ", "))
		for i, n := range a.nodes {
			s, _ := l.SSH(n.name)
			login := "password: file:" + filepath.Join(dir, "secrets", n.secret())
			if i > 0 {
				login = "key: " + filepath.Join(dir, "secrets", n.secret()+".key")
			}
			w.line("      - address: %s\n        user: %s\n        %s\n        hostKey: %q", s.Address, s.User, login, s.HostKey)
		}
		w.line("    status: [cluster, status]\n    stop: [cluster, stop]\n    start: [cluster, start]")
		w.line("    timeout: %s", l.at(10*time.Minute, time.Minute))
	}
}

func (n *sshNode) secret() string { return n.name + ".ssh" }

// addSSHSecrets puts the passwords and private keys into the files that the lab file names.
func (l *Lab) addSSHSecrets(files map[string]string) {
	for _, n := range l.machines {
		files[n.secret()] = n.password
	}
	for _, h := range l.storages {
		files[h.secret()] = strings.TrimSpace(string(h.key))
	}
	for _, g := range l.guests {
		if g.password != "" {
			files[g.spec.Name+".login"] = g.password
		}
	}
	for _, a := range l.apps {
		for _, n := range a.nodes {
			files[n.secret()] = n.password
			files[n.secret()+".key"] = strings.TrimSpace(string(n.userKey))
		}
	}
}

// sshSecrets are the passwords.
func (l *Lab) sshSecrets() []string {
	var out []string
	for _, n := range l.machines {
		out = append(out, n.password)
	}
	for _, g := range l.guests {
		if g.password != "" {
			out = append(out, g.password)
		}
	}
	for _, a := range l.apps {
		for _, n := range a.nodes {
			out = append(out, n.password)
		}
	}
	return out
}
