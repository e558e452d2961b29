package run

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/kafka"
	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
	"github.com/riposte-sec/riposte/pipeline"
)

// secureKafka starts an Apache Kafka with certificates of a.
func secureKafka(t *testing.T, a *authority) *kafka.Cluster {
	t.Helper()
	a.issue("server", a.cert, a.key)
	var both []byte
	for _, file := range []string{"server.key", "server.pem"} {
		text, err := os.ReadFile(a.path(file))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	if err := os.WriteFile(a.path("both.pem"), both, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := kafka.StartSecure(t.Context(), t.TempDir(), kafka.Security{
		KeyFile: a.path("both.pem"), AuthorityFile: a.path("ca.pem"), User: "riposte", Password: "secret",
	}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// allow lets a user do what docs/operations.md says that riposte needs, under the prefix
// "riposte.".
func allow(t *testing.T, c *kafka.Cluster, user string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, b := range []*kadm.ACLBuilder{
		kadm.NewACLs().Topics("riposte.").Operations(kadm.OpDescribe, kadm.OpRead, kadm.OpWrite, kadm.OpCreate, kadm.OpDelete),
		kadm.NewACLs().Groups("riposte.").Operations(kadm.OpDescribe, kadm.OpRead),
		kadm.NewACLs().TransactionalIDs("riposte.").Operations(kadm.OpDescribe, kadm.OpWrite),
	} {
		made, err := kadm.NewClient(cl).CreateACLs(t.Context(), b.Allow(user).ResourcePatternType(kadm.ACLPatternPrefixed))
		for _, m := range made {
			err = errors.Join(err, m.Err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Every way of coming to a real broker: a lane works over it, and who is not who they say
// is told so.
func TestApacheKafkaIsReachedInEveryWayAndRefusesTheWrong(t *testing.T) {
	kafkatest.NeedApache(t)
	a, stranger := newAuthority(t), newAuthority(t)
	c := secureKafka(t, a)
	a.issue("client", a.cert, a.key)
	stranger.issue("client", stranger.cert, stranger.key)
	trusting := TLS{Enabled: true, CA: a.path("ca.pem")}
	mutual := TLS{Enabled: true, CA: a.path("ca.pem"), Cert: a.path("client.pem"), Key: a.path("client.key")}
	foreign := TLS{Enabled: true, CA: a.path("ca.pem"), Cert: stranger.path("client.pem"), Key: stranger.path("client.key")}
	misled := TLS{Enabled: true, CA: stranger.path("ca.pem")}
	login := func(mechanism string, password Secret) SASL {
		return SASL{Mechanism: mechanism, User: "riposte", Password: password}
	}

	for _, user := range []string{"User:riposte", "User:CN=client"} {
		allow(t, c, user)
	}

	works := func(l kafka.Listener, tls TLS, sasl SASL) {
		t.Helper()
		name := "riposte." + string(l) + "." + sasl.Mechanism + "."
		r := rigOn(t, kafkatest.Broker{Addrs: []string{c.Addr(l)}, Prefix: name}, 1, func(k *Kafka) { k.TLS, k.SASL = tls, sasl })
		r.produce(lines(0, 20, 3)...)
		run := r.start(r.config("w1"))
		r.drained(run)
		run.stop(t)
		if got := flat(r.read("out")); !slices.Equal(got, wantOut(lines(0, 20, 3))) {
			t.Errorf("%s: got %q", name, got)
		}
	}
	works(kafka.TLS, trusting, SASL{})
	works(kafka.MutualTLS, mutual, SASL{})
	works(kafka.SASL, TLS{}, login(SASLScramSHA512, "secret"))
	for _, mechanism := range []string{SASLPlain, SASLScramSHA256, SASLScramSHA512} {
		works(kafka.SASLOnTLS, trusting, login(mechanism, "secret"))
	}

	refused := func(l kafka.Listener, tls TLS, sasl SASL, says string) {
		t.Helper()
		k := Kafka{Brokers: []string{c.Addr(l)}, Prefix: "riposte.", TLS: tls, SASL: sasl}
		err := EnsureTopics(timeout(t, 20*time.Second), k, TopicSpec{Name: "in", Partitions: 1})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s, %+v, %s: got %v, want it refused with %q", l, tls, sasl.Mechanism, err, says)
		}
	}
	refused(kafka.TLS, misled, SASL{}, "certificate")
	refused(kafka.TLS, TLS{}, SASL{}, "TLS")
	refused(kafka.MutualTLS, trusting, SASL{}, "it may want a certificate of ours")
	refused(kafka.MutualTLS, foreign, SASL{}, "it may want a certificate of ours")
	refused(kafka.SASL, trusting, login(SASLPlain, "secret"), "TLS")
	refused(kafka.SASLOnTLS, trusting, SASL{}, "SASL")
	elsewhere := Kafka{Brokers: []string{c.Addr(kafka.SASLOnTLS)}, Prefix: "foreign.", TLS: trusting, SASL: login(SASLPlain, "secret")}
	err := EnsureTopics(timeout(t, 20*time.Second), elsewhere, TopicSpec{Name: "in", Partitions: 1})
	if fault, reason := pipeline.FaultOf(classify(err)); fault != pipeline.FaultStop || reason != reasonDenied {
		t.Errorf("topics of others: got %v, want it denied", err)
	}
	for _, mechanism := range []string{SASLPlain, SASLScramSHA256, SASLScramSHA512} {
		refused(kafka.SASLOnTLS, trusting, login(mechanism, "wrong"), "uthentication")
	}
}
