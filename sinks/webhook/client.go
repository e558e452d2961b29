package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// errAddress is the error of a dial to an address that the receiver must not have.
var errAddress = errors.New("address is not allowed: it is not public, and the receiver is not declared internal")

// newClient returns a client that follows no redirect, uses no proxy and looks at the
// address that a name resolved to at the moment of dialling, so that a name cannot pass a
// check and then lead elsewhere.
func newClient(cfg *Config) *http.Client {
	d := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	if !cfg.Internal {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error { return public(address) }
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            d.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  time.Duration(cfg.Timeout),
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        90 * time.Second,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// shared are networks that netip has no name for and that are not the internet: carrier
// NAT (RFC 6598), IETF protocols (RFC 6890), benchmarks (RFC 2544), NAT64 (RFC 6052), which
// hides an IPv4 address, and the reserved end of IPv4.
var shared = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
}

// public returns errAddress unless the host of "host:port" is an address on the internet.
func public(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return errAddress
	}
	ip := ap.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return errAddress
	}
	for _, p := range shared {
		if p.Contains(ip) {
			return errAddress
		}
	}
	return nil
}
