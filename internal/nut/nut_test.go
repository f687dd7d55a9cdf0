package nut

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/nut/nuttest"
)

func at(address string) endpoint.Resolved {
	return endpoint.Resolved{Name: "the NUT server", URL: &url.URL{Scheme: "nut", Host: address}}
}

func dial(t *testing.T, r endpoint.Resolved) *Client {
	t.Helper()
	c, err := Dial(t.Context(), r)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func rack() map[string]*nuttest.UPS {
	return map[string]*nuttest.UPS{"rack": {
		Vars:     map[string]string{"ups.status": "OB DISCHRG", "battery.charge": "38", "battery.runtime": "540", "ups.mfr": `Sim "x" \`, "ups.delay.shutdown": "20"},
		Writable: []string{"ups.delay.shutdown"}, Commands: []string{"shutdown.return"},
	}}
}

func TestReading(t *testing.T) {
	s := nuttest.Start(t, rack())
	c := dial(t, at(s.Address()))
	version, err := c.Version()
	require.NoError(t, err)
	require.Contains(t, version, "2.8.1")
	names, err := c.UPSes()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"rack": "a test"}, names)
	vars, err := c.Vars("rack")
	require.NoError(t, err)
	require.Equal(t, `Sim "x" \`, vars["ups.mfr"])
	require.Equal(t, "on battery, charge 38 %, lasts 9 min", vars.Status().String())
	writable, err := c.Writable("rack")
	require.NoError(t, err)
	require.Equal(t, Vars{"ups.delay.shutdown": "20"}, writable)
	commands, err := c.Commands("rack")
	require.NoError(t, err)
	require.Equal(t, []string{"shutdown.return"}, commands)

	_, err = c.Vars("attic")
	require.ErrorIs(t, err, fault.NotFound)
	s.Change("rack", func(u *nuttest.UPS) { u.Err = "DRIVER-NOT-CONNECTED" })
	_, err = c.Vars("rack")
	require.ErrorIs(t, err, ErrNoDriver)
	require.ErrorIs(t, err, fault.Unreachable)
	s.Change("rack", func(u *nuttest.UPS) { u.Err = "DATA-STALE" })
	_, err = Ask(t.Context(), at(s.Address()), "rack")
	require.ErrorIs(t, err, ErrStale)
	require.ErrorIs(t, err, fault.Unreachable)
}

func TestOrders(t *testing.T) {
	s := nuttest.Start(t, rack())
	c := dial(t, at(s.Address()))
	require.NoError(t, c.Login("nightshift", inventory.NewSecret("wrong"))) // upsd says yes to anybody
	err := c.MaySet("rack")
	require.ErrorIs(t, err, fault.Auth)
	require.NotContains(t, err.Error(), "wrong\"")
	err = c.Command(t.Context(), "rack", "shutdown.return", "")
	require.ErrorIs(t, err, fault.Auth)
	require.ErrorIs(t, err, fault.NotDone)
	require.Empty(t, s.Orders())

	c = dial(t, at(s.Address()))
	require.NoError(t, c.Login("nightshift", inventory.NewSecret("geheim")))
	require.NoError(t, c.MaySet("rack"))
	require.Empty(t, s.Orders())
	require.NoError(t, c.Set(t.Context(), "rack", "ups.delay.shutdown", "120"))
	require.NoError(t, c.Command(t.Context(), "rack", "shutdown.return", ""))
	require.Equal(t, []string{"SET VAR rack ups.delay.shutdown 120", "INSTCMD rack shutdown.return"}, s.Orders())

	err = c.Command(t.Context(), "rack", "load.off", "")
	require.ErrorIs(t, err, fault.Unsupported)
	require.ErrorIs(t, err, fault.NotDone)
	s.Lose("INSTCMD")
	err = c.Command(t.Context(), "rack", "shutdown.return", "")
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, fault.NotDone, "its answer was lost: nobody knows")
}

// TestHostileAnswers: whatever comes, there is an error in good time, and nothing is believed.
func TestHostileAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":         "",
		"no line":         strings.Repeat("x", maxLine+1),
		"control":         "BEGIN LIST VAR rack\nVAR rack a \"\x00\"\n",
		"open quote":      "BEGIN LIST VAR rack\nVAR rack a \"b\n",
		"other ups":       "BEGIN LIST VAR rack\nVAR attic ups.status \"OL\"\nEND LIST VAR rack\n",
		"other list":      "BEGIN LIST VAR attic\n",
		"too many words":  "BEGIN LIST VAR rack\nVAR rack a b c\n",
		"does not end":    "BEGIN LIST VAR rack\n" + strings.Repeat("VAR rack a \"b\"\n", maxList+1),
		"HTTP":            "HTTP/1.1 400 Bad Request\r\n\r\n",
		"only ERR":        "ERR\n",
		"unknown ERR":     "ERR HUNGRY\n",
		"empty":           "\n",
		"ends in between": "BEGIN LIST VAR rack\nVAR rack ups.status \"OL\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			c := newClient(t.Context(), "the NUT server", here)
			go func() {
				_, _ = bufio.NewReader(there).ReadString('\n')
				_, _ = io.WriteString(there, answer)
				_ = there.Close()
			}()
			_, err := c.Vars("rack")
			require.Error(t, err)
			require.Less(t, len(err.Error()), 500)
		})
	}
}

func TestNothingIsSentThatWouldBeTwoLines(t *testing.T) {
	s := nuttest.Start(t, rack())
	c := dial(t, at(s.Address()))
	_, err := c.Vars("rack\nINSTCMD rack load.off")
	require.ErrorIs(t, err, fault.Invalid)
}

// TestSilence: a server that takes the connection and says nothing ends with the context.
func TestSilence(t *testing.T) {
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Ask(ctx, at(l.Addr().String()), "rack")
	require.ErrorIs(t, err, fault.Unreachable)
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	s := nuttest.Start(t, rack())
	u := inventory.UPS{Name: "rack", Server: s.Address(), TLS: &inventory.TLS{Fingerprint: endpoint.Fingerprint(cert)}}
	r, err := endpoint.ResolveUPS(t.Context(), "the NUT server", u, t.TempDir())
	require.NoError(t, err)
	_, err = Dial(t.Context(), r)
	require.ErrorIs(t, err, fault.Identity, "it has no TLS: whoever is in between could say so")

	s = nuttest.Start(t, rack())
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
	u.Server = s.Address()
	r, err = endpoint.ResolveUPS(t.Context(), "the NUT server", u, t.TempDir())
	require.NoError(t, err)
	vars, err := Ask(t.Context(), r, "rack")
	require.NoError(t, err)
	require.Equal(t, "38", vars["battery.charge"])

	u.TLS.Fingerprint = strings.Repeat("00", 32)
	r, err = endpoint.ResolveUPS(t.Context(), "the NUT server", u, t.TempDir())
	require.NoError(t, err)
	_, err = Dial(t.Context(), r)
	require.ErrorIs(t, err, fault.Identity)
}

// TestNothingComesBeforeTLS: what somebody in between puts behind the answer is not read as if it had come encrypted.
func TestNothingComesBeforeTLS(t *testing.T) {
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = bufio.NewReader(conn).ReadString('\n')
		_, _ = io.WriteString(conn, "OK STARTTLS\nBEGIN LIST VAR rack\nVAR rack ups.status \"OL\"\nEND LIST VAR rack\n")
	}()
	r := at(l.Addr().String())
	r.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	_, err = Dial(t.Context(), r)
	require.ErrorIs(t, err, fault.Identity)
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		vars                             Vars
		online, battery, low, fsd, known bool
		words                            string
	}{
		{vars: Vars{"ups.status": "OL CHRG", "battery.charge": "100"}, online: true, known: true, words: "on mains, charge 100 %"},
		{vars: Vars{"ups.status": "OB DISCHRG", "battery.runtime": "95.4"}, battery: true, known: true, words: "on battery, lasts 95 s"},
		{vars: Vars{"ups.status": "OB LB"}, battery: true, low: true, known: true, words: "on battery, battery low"},
		{vars: Vars{"ups.status": "OL LB CHRG"}, online: true, known: true, words: "on mains"},
		{vars: Vars{"ups.status": "FSD OB LB"}, battery: true, low: true, fsd: true, known: true, words: "forced shutdown (FSD)"},
		{vars: Vars{"ups.status": "FSD OL"}, online: true, fsd: true, known: true, words: "forced shutdown (FSD)"},
		{vars: Vars{"ups.status": "OB CAL LB"}, online: true, known: true, words: "on mains, calibrating its battery"},
		{vars: Vars{"ups.status": "OFF"}, words: `says "OFF", which is neither mains nor battery`},
		{vars: Vars{"ups.status": "WAIT"}, words: `says "WAIT", which is neither mains nor battery`},
		{vars: Vars{}, words: `says "", which is neither mains nor battery`},
		{vars: Vars{"ups.status": "OB", "battery.charge": "NaN", "battery.runtime": "-1"}, battery: true, known: true, words: "on battery"},
		{vars: Vars{"ups.status": "OB", "battery.charge": "1e9", "battery.runtime": "Inf"}, battery: true, known: true, words: "on battery"},
	} {
		s := c.vars.Status()
		require.Equal(t, c.words, s.String())
		require.Equal(t, []bool{c.online, c.battery, c.low, c.fsd, c.known}, []bool{s.Online(), s.OnBattery(), s.Low(), s.Forced(), s.Known()}, c.words)
	}
}
