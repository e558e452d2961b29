package run

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Secret is a string that prints as three stars wherever it is formatted, logged or
// encoded. Reveal gives the value.
type Secret string

// String returns three stars, or nothing if the secret is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString keeps %#v from printing the value.
func (s Secret) GoString() string { return s.String() }

// LogValue keeps slog from printing the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps encoders from writing the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// Kafka says how to reach the cluster. The zero value is not valid: start from
// DefaultKafka.
type Kafka struct {
	Brokers []string // host:port of some brokers; at least one
	// Prefix is put before every topic, group and transactional id, so that several pipelines
	// share a cluster. Letters, digits, '.', '_' and '-'. Default "".
	Prefix string
	TLS    TLS
	SASL   SASL
	// Dial replaces the network in tests. Nil dials TCP.
	Dial func(ctx context.Context, network, host string) (net.Conn, error)
}

// TLS configures encryption. Files are PEM.
type TLS struct {
	Enabled    bool
	CA         string // file; empty means the roots of the system
	Cert       string // file of the client's certificate; empty means none
	Key        string // file of its key
	ServerName string // empty means the name of the broker
}

// The SASL mechanisms.
const (
	SASLPlain       = "PLAIN"
	SASLScramSHA256 = "SCRAM-SHA-256"
	SASLScramSHA512 = "SCRAM-SHA-512"
)

// SASL configures authentication. An empty Mechanism means none.
type SASL struct {
	Mechanism string
	User      string
	Password  Secret
}

// Limits that both our topics and our clients keep.
const (
	// MaxRecordBytes is the largest record that the pipeline reads or writes, and
	// max.message.bytes of its topics: an event carries the vendor's record of at most 1 MiB
	// and its normalised form, with room for a source that escapes everything.
	MaxRecordBytes = 8 << 20
	// maxDecompress stops a batch that unpacks to more; what it held becomes one reject.
	maxDecompress = 64 << 20
)

// DefaultKafka reaches a broker on this machine, without encryption.
func DefaultKafka() Kafka { return Kafka{Brokers: []string{"127.0.0.1:9092"}} }

// Validate returns every mistake in k, joined.
func (k Kafka) Validate() error {
	var errs []error
	if len(k.Brokers) == 0 {
		errs = append(errs, errors.New("kafka: no brokers"))
	}
	for _, b := range k.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			errs = append(errs, fmt.Errorf("kafka: broker %q: want host:port: %w", b, err))
		}
	}
	if !isName(k.Prefix) {
		errs = append(errs, fmt.Errorf("kafka: prefix %q: want letters, digits, '.', '_' and '-'", k.Prefix))
	}
	if (k.TLS.Cert == "") != (k.TLS.Key == "") {
		errs = append(errs, errors.New("kafka: tls: cert and key belong together"))
	}
	switch k.SASL.Mechanism {
	case "":
	case SASLPlain, SASLScramSHA256, SASLScramSHA512:
		if k.SASL.User == "" || k.SASL.Password == "" {
			errs = append(errs, errors.New("kafka: sasl: user and password are needed"))
		}
	default:
		errs = append(errs, fmt.Errorf("kafka: sasl: mechanism %q: want %s, %s or %s",
			k.SASL.Mechanism, SASLPlain, SASLScramSHA256, SASLScramSHA512))
	}
	return errors.Join(errs...)
}

// Topic returns the full name of a topic of the pipeline.
func (k Kafka) Topic(name string) string { return k.Prefix + name }

// Name takes the prefix off the full name of a topic.
func (k Kafka) Name(topic string) string { return strings.TrimPrefix(topic, k.Prefix) }

// options returns what every client of ours is made with.
func (k Kafka) options() ([]kgo.Opt, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(k.Brokers...),
		kgo.ClientID("riposte"),
		// A produce that is answered CONCURRENT_TRANSACTIONS is retried after a metadata update,
		// and that waits this long: with the default of 5 s a lane stalls and is fenced.
		kgo.MetadataMinAge(10 * time.Millisecond),
		// A broker may not know a topic yet that another one has just made. The client looks
		// again so often, 10 ms apart: 2 s at least, what it has with its own defaults.
		kgo.UnknownTopicRetries(200),
	}
	if k.Dial != nil {
		opts = append(opts, kgo.Dialer(k.Dial))
	}
	if k.TLS.Enabled {
		cfg, err := k.TLS.config()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(cfg))
	}
	if m := k.SASL.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

// client makes a plain client with extra options.
func (k Kafka) client(extra ...kgo.Opt) (*kgo.Client, error) {
	opts, err := k.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts, extra...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	return cl, nil
}

// unreached is the error of the first request to the cluster, which is where a wrong address,
// certificate or password shows.
func (k Kafka) unreached(err error) error {
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" {
		err = fmt.Errorf("%w: the broker refused the TLS handshake; it may want a certificate of ours (tls.cert and tls.key) that it trusts", err)
	}
	return fmt.Errorf("kafka at %s: list topics: %w", strings.Join(k.Brokers, ", "), err)
}

// leavePatience is how long a client that is closed may take to let go of its group.
const leavePatience = 2 * time.Second

// closeMember closes the client of a member of a group. One that joins at the moment would
// wait until all others came, or their sessions are over: cut, which ends the client's
// context, keeps that short. A cluster that misses the member's last word finds out by its
// session, as after a crash.
func closeMember(shut func(), cut context.CancelFunc) {
	defer time.AfterFunc(leavePatience, cut).Stop()
	shut()
	cut()
}

// admin makes a client for administration. The caller closes it.
func (k Kafka) admin() (*kadm.Client, error) {
	cl, err := k.client()
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(cl), nil
}

func (t TLS) config() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("kafka: tls: ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka: tls: ca: %s holds no certificate", t.CA)
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("kafka: tls: certificate: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func (s SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case SASLPlain:
		return plain.Auth{User: s.User, Pass: s.Password.Reveal()}.AsMechanism()
	case SASLScramSHA256:
		return scram.Auth{User: s.User, Pass: s.Password.Reveal()}.AsSha256Mechanism()
	case SASLScramSHA512:
		return scram.Auth{User: s.User, Pass: s.Password.Reveal()}.AsSha512Mechanism()
	}
	return nil
}

// isName reports whether s can be part of the name of a topic, a group or a member.
func isName(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}) < 0
}
