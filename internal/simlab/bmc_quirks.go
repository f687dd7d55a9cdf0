package simlab

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// Quirks are what a BMC does that others do not. Without any it is an iDRAC7 with late firmware: sessions at
// /redfish/v1/Sessions, 409 PSU501 for what is so already.
type Quirks struct {
	// LegacyTLS: TLS 1.0 with RSA key exchange is all that it speaks, as early firmware of iDRAC7 does.
	LegacyTLS bool
	// Sessions is how many it has. Default 8. -1: others hold them all.
	Sessions int
	// Newer is an iDRAC9: sessions at /redfish/v1/SessionService/Sessions alone, reset types in an ActionInfo, and 412 for
	// what is sent with If-Match.
	Newer bool
	// NoResetTypes: it does not say which it knows.
	NoResetTypes bool
	// NotReady is how many requests it turns away with 503 SYS518 before it is up.
	NotReady int
}

const (
	newerSessionPath = "/redfish/v1/SessionService/Sessions"
	actionInfoPath   = systemPath + "/ResetActionInfo"
)

// quirky stands before the BMC.
func (b *bmc) quirky(next http.Handler) http.Handler {
	q := b.host.spec.Quirks
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.asked++
		waking := b.asked <= q.NotReady
		b.mu.Unlock()
		path := strings.TrimSuffix(r.URL.Path, "/")
		switch {
		case waking:
			fail(w, http.StatusServiceUnavailable, "IDRAC.1.6.SYS518", "iDRAC is currently unable to display any information because the data sources are unavailable.")
		case q.Newer && r.Header.Get("If-Match") != "":
			fail(w, http.StatusPreconditionFailed, "IDRAC.2.8.SYS446", "Precondition failed.")
		case q.Newer && path == sessionPath || !q.Newer && path == newerSessionPath:
			b.notFound(w, r)
		default:
			if q.Newer {
				r.URL.Path = strings.Replace(r.URL.Path, newerSessionPath, sessionPath, 1)
				w.Header().Set("ETag", `W/"gen-1"`)
			}
			next.ServeHTTP(w, r)
		}
	})
}

// sessionsAt is where the BMC says that its sessions are.
func (b *bmc) sessionsAt() string {
	if b.host.spec.Quirks.Newer {
		return newerSessionPath
	}
	return sessionPath
}

func (b *bmc) maxSessions() int { return max(0, orDefault(b.host.spec.Quirks.Sessions, bmcSessions)) }

// resetAction describes ComputerSystem.Reset.
func (b *bmc) resetAction() doc {
	switch q := b.host.spec.Quirks; {
	case q.NoResetTypes:
		return doc{"target": resetPath}
	case q.Newer:
		return doc{"target": resetPath, "@Redfish.ActionInfo": actionInfoPath}
	}
	return doc{"target": resetPath, "ResetType@Redfish.AllowableValues": resetTypes()}
}

func (b *bmc) actionInfo(w http.ResponseWriter, r *http.Request) {
	if !b.host.spec.Quirks.Newer {
		b.notFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, doc{"@odata.id": actionInfoPath, "@odata.type": "#ActionInfo.v1_1_0.ActionInfo", "Id": "ResetActionInfo", "Name": "Reset Action Info",
		"Parameters": []doc{{"Name": "ResetType", "Required": true, "DataType": "String", "AllowableValues": resetTypes()}}})
}

// oldCertificate has an RSA key, without which there is no RSA key exchange.
func oldCertificate(name string) (tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key for %s: %w", name, err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"nightshift simulated lab"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(2, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate for %s: %w", name, err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// serverTLS is what a system of the lab speaks. HTTP/1.1 only, as the real ones: and a connection that is cut then cuts
// one call. RSA keys are those of BMCs with LegacyTLS.
func serverTLS(cert tls.Certificate) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	if _, old := cert.PrivateKey.(*rsa.PrivateKey); old {
		c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
		c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	}
	return c
}
