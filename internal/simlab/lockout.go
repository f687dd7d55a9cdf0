package simlab

import (
	"sync"
	"time"
)

// A lockout refuses an account after too many wrong passwords, as ESXi (since 6.5) and vCenter's SSO do: also the right
// password, for some time.
type lockout struct {
	mu     sync.Mutex
	failed int
	until  time.Time
}

// locked says whether the account is refused now.
func (k *lockout) locked() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Before(k.until)
}

// tried counts a login. After the last wrong one in a row the account is locked for d of wall-clock time.
func (k *lockout) tried(ok bool, d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ok {
		k.failed = 0
		return
	}
	if k.failed++; k.failed >= loginsAllowed {
		k.failed, k.until = 0, time.Now().Add(d)
	}
}

// checkLogin says whether a user may log in, and counts it.
func (v *view) checkLogin(user, password string) bool {
	l := v.lab
	ok := !v.logins.locked() && user == v.user && password == v.password
	l.rec.login(v.system, ok)
	if user == v.user && !v.logins.locked() {
		d := vcenterLocks
		if v.host != nil {
			d = esxiLocks
		}
		v.logins.tried(ok, l.scaled(d))
	}
	return ok
}

// Locked says whether the account of a system ("vcenter" or "esxi:HOST") is locked after too many wrong passwords.
func (l *Lab) Locked(system string) bool {
	if system == l.vc.system {
		return l.vc.logins.locked()
	}
	if e := l.esxis.named(system); e != nil {
		return e.logins.locked()
	}
	return false
}
