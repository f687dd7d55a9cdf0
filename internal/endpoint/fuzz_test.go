package endpoint

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// FuzzResolve: a URL is taken without a login in it, or refused without being repeated.
func FuzzResolve(f *testing.F) {
	for _, s := range [][2]string{{"https://u:", "@h"}, {"https://", ""}, {"https://h/", "?x"}, {"http://", "\x00"}, {"ipmi://", ":623"}, {"//", ""}, {"https://[", "]"}, {"%", "%zz"}} {
		f.Add(s[0], s[1])
	}
	const secret = "Kanarienvogel77"
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, insecure := range []bool{false, true} {
			r, err := Resolve(t.Context(), "vCenter vc1", inventory.Endpoint{URL: before + secret + after, Insecure: insecure}, t.TempDir())
			if err != nil {
				require.ErrorIs(t, err, fault.Invalid)
				if scheme, _, _ := strings.Cut(before+secret+after, ":"); !strings.EqualFold(scheme, before+secret) {
					require.NotContains(t, err.Error(), secret)
				}
				continue
			}
			require.Nil(t, r.URL.User)
			require.NotEmpty(t, r.URL.Hostname())
			require.Equal(t, r.URL.Scheme == "https", r.TLS != nil)
		}
	})
}

// FuzzPool: what stands in a CA file is certificates, or refused.
func FuzzPool(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, pem []byte) {
		p, err := pool(pem)
		require.Equal(t, err == nil, p != nil)
	})
}
