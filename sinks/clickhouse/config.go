package clickhouse

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/riposte-sec/riposte/internal/config"
)

// Config says which server and database, and as whom.
type Config struct {
	// DSN is clickhouse://[user@]host:port[,host:port...]/database[?secure=true&...],
	// native protocol, database "riposte" unless named. A password in it is refused.
	DSN string `yaml:"dsn"`
	// Password of the DSN's user. None by default.
	Password config.Secret `yaml:"password"`
	// CA is a PEM file with the authorities to trust instead of the system's, for
	// secure=true.
	CA string `yaml:"ca"`
	// Cert and Key are PEM files of a client certificate, both or neither.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// Timeout bounds one query or insert. It must be positive. Default 30 s.
	Timeout config.Duration `yaml:"timeout"`
}

// Default returns the configuration of a server on this machine.
func Default() Config {
	return Config{DSN: "clickhouse://127.0.0.1:9000/riposte", Timeout: config.Duration(30 * time.Second)}
}

// databaseName is what can stand in SQL without quotes.
var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// Validate checks everything that can be checked without a connection and without
// reading a secret.
func (c Config) Validate() error {
	_, err := c.options("")
	return err
}

// options translates the configuration for the driver.
func (c Config) options(password string) (*clickhouse.Options, error) {
	o, err := clickhouse.ParseDSN(c.DSN)
	if err != nil {
		return nil, errors.New("clickhouse: dsn: want clickhouse://user@host:9000/database") // the driver's error may quote a password
	}
	if o.Auth.Password != "" {
		return nil, errors.New("clickhouse: dsn: a password does not belong there; use password: {env: NAME}")
	}
	if o.Protocol != clickhouse.Native {
		return nil, errors.New("clickhouse: dsn: only the native protocol is spoken: want clickhouse://, port 9000 or 9440")
	}
	if o.Auth.Database == "" || o.Auth.Database == "default" {
		o.Auth.Database = "riposte"
	}
	if !databaseName.MatchString(o.Auth.Database) {
		return nil, fmt.Errorf("clickhouse: dsn: database %q: want letters, digits and _", o.Auth.Database)
	}
	if c.Timeout <= 0 {
		return nil, errors.New("clickhouse: timeout: want a positive duration, such as 30s")
	}
	o.Auth.Password = password
	o.ReadTimeout = time.Duration(c.Timeout)
	o.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	if err := c.secure(o); err != nil {
		return nil, err
	}
	return o, nil
}

// secure applies the files of certificates. Given any, the connection is TLS whether the
// DSN says so or not.
func (c Config) secure(o *clickhouse.Options) error {
	if c.CA == "" && c.Cert == "" && c.Key == "" {
		return nil
	}
	if (c.Cert == "") != (c.Key == "") {
		return errors.New("clickhouse: cert and key belong together")
	}
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return fmt.Errorf("clickhouse: ca: %w", err)
		}
		o.TLS.RootCAs = x509.NewCertPool()
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("clickhouse: ca: %s has no certificate", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return fmt.Errorf("clickhouse: cert: %w", err)
		}
		o.TLS.Certificates = []tls.Certificate{pair}
	}
	return nil
}
