package run

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
)

// authority is a certificate authority for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", nil, nil)
	return a
}

// issue writes <name>.pem and <name>.key. Without a parent the certificate is an authority.
func (a *authority) issue(name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: parent == nil,
	}
	if parent == nil {
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) path(file string) string { return filepath.Join(a.dir, file) }

func TestBrokersAreReachedOverTLSWithAndWithoutAClientCertificate(t *testing.T) {
	t.Parallel()
	kafkatest.EmbeddedOnly(t)
	a, stranger := newAuthority(t), newAuthority(t)
	a.issue("server", a.cert, a.key)
	a.issue("client", a.cert, a.key)
	stranger.issue("client", stranger.cert, stranger.key)
	pair, err := tls.LoadX509KeyPair(a.path("server.pem"), a.path("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	f := func(name string, clients tls.ClientAuthType, use TLS, ok bool) {
		t.Helper()
		cfg := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: clients, ClientCAs: roots, MinVersion: tls.VersionTLS12}
		b, err := broker.Start(broker.Config{Options: []kfake.Opt{kfake.TLS(cfg)}})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		k := Kafka{Brokers: []string{b.Addr()}, TLS: use}
		err = EnsureTopics(timeout(t, 15*time.Second), k, TopicSpec{Name: "in", Partitions: 1})
		if (err == nil) != ok {
			t.Errorf("%s: %v, want success: %v", name, err, ok)
		}
	}
	trusted := TLS{Enabled: true, CA: a.path("ca.pem")}
	mutual := TLS{Enabled: true, CA: a.path("ca.pem"), Cert: a.path("client.pem"), Key: a.path("client.key")}
	foreign := TLS{Enabled: true, CA: a.path("ca.pem"), Cert: stranger.path("client.pem"), Key: stranger.path("client.key")}
	f("server certificate", tls.NoClientCert, trusted, true)
	f("unknown authority", tls.NoClientCert, TLS{Enabled: true, CA: stranger.path("ca.pem")}, false)
	f("client certificate", tls.RequireAndVerifyClientCert, mutual, true)
	f("no client certificate", tls.RequireAndVerifyClientCert, trusted, false)
	f("foreign client certificate", tls.RequireAndVerifyClientCert, foreign, false)
}

// timeout is a context that ends with the test, or earlier.
func timeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
