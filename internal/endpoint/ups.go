package endpoint

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// ResolveUPS is Resolve for the NUT server of a UPS: nut://host:port. TLS is nil where the lab file has no tls: for it.
func ResolveUPS(ctx context.Context, name string, u inventory.UPS, dir string) (Resolved, error) {
	r, err := UPSServer(name, u, dir)
	if err != nil {
		return Resolved{}, err
	}
	if r.Password, err = u.Password.Resolve(ctx, dir); err != nil {
		return Resolved{}, fmt.Errorf("%s: its password: %w", name, err)
	}
	return r, nil
}

// UPSServer is ResolveUPS without the secret: reading needs no login.
func UPSServer(name string, u inventory.UPS, dir string) (Resolved, error) {
	address := u.Address()
	if _, _, err := net.SplitHostPort(address); err != nil {
		return Resolved{}, fault.As(fault.Invalid, fmt.Errorf("%s: its server in the lab file is no address", name))
	}
	r := Resolved{Name: name, URL: &url.URL{Scheme: "nut", Host: address}, User: u.User}
	var err error
	switch {
	case u.TLS != nil:
		if r.TLS, err = tlsConfig(name, r.URL, *u.TLS, dir); err != nil {
			return Resolved{}, fault.As(fault.Invalid, err)
		}
	case u.Insecure:
		r.Warnings = append(r.Warnings, name+" is reached without TLS: anyone on the way can read its password (insecure: true)")
	}
	return r, nil
}
