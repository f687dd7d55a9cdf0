//go:build storagelab

package storagelab

import "fmt"

// A Portal is a target as an initiator knows it. Without a user there is no CHAP.
type Portal struct {
	// Address is the IP address of the machine that has the target; the port is 3260.
	Address, Target string
	User, Password  string
}

// login makes the record and logs in. The password is that of a test.
const login = `
portal=$1 target=$2
set_to() { iscsiadm -m node -T "$target" -p "$portal" -o update -n "node.session.$1" -v "$2"; }
iscsiadm -m node -o new -T "$target" -p "$portal:3260" >/dev/null # of whichever portal group
set_to initial_login_retry_max 1
if [ -n "$3" ]; then
	set_to auth.authmethod CHAP
	set_to auth.username "$3"
	set_to auth.password "$4"
fi
iscsiadm -m node -T "$target" -p "$portal" --login`

// Login logs the machine's open-iscsi in at a target. The result is iscsiadm's: status 24 is a refused login. At the
// test's end it is logged out and forgotten.
func (m *Machine) Login(p Portal) Result {
	m.lab.t.Helper()
	m.lab.t.Cleanup(func() { m.Logout(p) })
	return m.Try("sh", "-ec", login, "sh", p.Address, p.Target, p.User, p.Password)
}

// Logout ends the session, where there is one, and forgets the target.
func (m *Machine) Logout(p Portal) {
	m.lab.t.Helper()
	m.Script(`iscsiadm -m node -T "$2" -p "$1" --logout || true; iscsiadm -m node -T "$2" -p "$1" -o delete || true`, p.Address, p.Target)
}

// Disk is the block device by which the machine sees a LUN of a target where it is logged in.
func (m *Machine) Disk(p Portal, lun int) string {
	m.lab.t.Helper()
	device := fmt.Sprintf("/dev/disk/by-path/ip-%s:3260-iscsi-%s-lun-%d", p.Address, p.Target, lun)
	m.awaitDevice(device)
	return device
}
