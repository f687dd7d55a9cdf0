package ipmi

import (
	"fmt"

	"github.com/bougou/go-ipmi/pkg/types"

	"nightshift/internal/fault"
)

// completion is the code that an answer begins with (§5.2).
type completion byte

const codeOK completion = 0

// busy: it was not carried out, as the controller is not ready for it.
func (c completion) busy() bool {
	return c == 0xC0 || c == 0xC4 || c == 0xD0 || c == 0xD1 || c == 0xD2
}

// unknown: what became of the request cannot be told.
func (c completion) unknown() bool { return c == 0xC3 || c == 0xCE || c == 0xCF || c == 0xFF }

func (c completion) String() string {
	texts := map[completion]string{
		0xC0: "node busy", 0xC1: "invalid command", 0xC3: "time-out while processing, no response available", 0xC4: "out of space", 0xC9: "parameter out of range",
		0xCB: "requested data not present", 0xCC: "invalid data field", 0xCE: "response could not be provided", 0xCF: "duplicated request",
		0xD0: "SDR repository in update mode", 0xD1: "device in firmware update mode", 0xD2: "BMC initialization in progress",
		0xD4: "insufficient privilege", 0xD5: "not supported in present state", 0xD6: "sub-function disabled or unavailable", 0xFF: "unspecified error",
	}
	if t := texts[c]; t != "" {
		return fmt.Sprintf("%s (completion code %02Xh)", t, byte(c))
	}
	return fmt.Sprintf("completion code %02Xh", byte(c))
}

// judge gives a refusal its kind and a remedy.
func (c *Client) judge(what string, code completion) error {
	kind, remedy := fault.Invalid, "look into its log; a newer firmware may help"
	switch {
	case code.busy():
		kind, remedy = fault.Unreachable, "it is not ready; try again in some minutes"
	case code.unknown():
		kind, remedy = fault.Unreachable, "look into its log"
	case code == 0xD4, code == 0x80 || code == 0x81:
		kind, remedy = fault.Permission, "give its user the privilege level Operator for IPMI over LAN"
	case code == 0xD5:
		kind, remedy = fault.State, "read the power state before anything else"
	case code == 0xC1, code == 0xC9, code == 0xCC, code == 0xD6, code == 0xCB:
		kind, remedy = fault.Unsupported, "its firmware does not have this, or has it switched off"
	}
	return c.failf(kind, "%s: %s: %s", what, code, remedy)
}

// A status is the no of a controller during a login (§13.24, Table 13-15).
type status types.RmcpStatusCode

func (s status) Error() string {
	return fmt.Sprintf("%s (RMCP+ status %02Xh)", types.RmcpStatusCode(s), byte(s))
}

// otherSuite: it does not know these algorithms.
func (s status) otherSuite() bool {
	switch types.RmcpStatusCode(s) {
	case types.RmcpStatusCodeInvalidAuthAlg, types.RmcpStatusCodeInvalidIntegrityAlg, types.RmcpStatusCodeNoMatchingAuthPayload,
		types.RmcpStatusCodeNoMatchingIntegrityPayload, types.RmcpStatusCodeInvalidConfidentAlg, types.RmcpStatusCodeNoCipherSuiteMatch:
		return true
	}
	return false
}

// forgotten: the session that was being made is not there any more.
func (s status) forgotten() bool {
	return types.RmcpStatusCode(s) == types.RmcpStatusCodeInvalidSessionID || types.RmcpStatusCode(s) == types.RmcpStatusCodeInactiveSessionID
}

// refusal words the no to a login.
func (c *Client) refusal(s status) error {
	kind, remedy := fault.Unsupported, "look at its settings of IPMI over LAN"
	switch types.RmcpStatusCode(s) {
	case types.RmcpStatusCodeUnauthorizedName, types.RmcpStatusCodeUnauthorizedGUID, types.RmcpStatusCodeInvalidIntegrityCheckValue,
		types.RmcpStatusCodeInvalidNameLength:
		kind, remedy = fault.Auth, checkLogin
	case types.RmcpStatusCodeInvalidRole, types.RmcpStatusCodeUnauthorizedRoleOfPriLevel:
		kind, remedy = fault.Permission, "give its user the privilege level Operator for IPMI over LAN"
	case types.RmcpStatusCodeNoResToCreateSess, types.RmcpStatusCodeNoResToCreateSessAtRole:
		kind, remedy = fault.Unreachable, "all its sessions are taken; they end by themselves after a minute"
	}
	if s.forgotten() {
		kind, remedy = fault.Unreachable, "try again"
	}
	return c.failf(kind, "logging in as %s: %w: %s", c.user, s, remedy)
}

const checkLogin = "check its user and password, and that IPMI over LAN is allowed to the user; nothing is tried again by itself, for accounts get locked"
