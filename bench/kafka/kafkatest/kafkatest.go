// Package kafkatest gives a test the broker that it runs on: the embedded one, or a real
// Kafka that the environment names. The same test proves the same behaviour on both.
//
// `make test-kafka` starts Apache Kafka once, for all packages, and runs the end-to-end
// tests on it (see bench/kafka/with). Names of topics, groups and transactions begin with a
// prefix that no other test has, so that tests share the cluster. Nothing is deleted: the
// cluster is one to throw away.
package kafkatest

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/riposte-sec/riposte/bench/kafka"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
)

// Env names the brokers of the cluster that tests shall run on, host:port with commas
// between. It must create no topics by itself. Empty or unset is the embedded broker.
const Env = "RIPOSTE_TEST_KAFKA"

// Broker is what a test reaches.
type Broker struct {
	Addrs  []string // host:port, at least one
	Prefix string   // of everything that the test names on the cluster
	// Cluster injects faults. Nil on a real Kafka.
	Cluster *kfake.Cluster
}

// Start returns the broker of a test. An embedded one ends with the test.
func Start(tb testing.TB) Broker {
	tb.Helper()
	if Real() {
		return Broker{Addrs: strings.Split(os.Getenv(Env), ","), Prefix: fmt.Sprintf("t%s.", strings.ToLower(rand.Text()[:12]))}
	}
	b, err := broker.Start(broker.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return Broker{Addrs: []string{b.Addr()}, Prefix: "t.", Cluster: b.Cluster()}
}

// EmbeddedOnly skips a test of what the embedded broker alone does, or can be made to do,
// where a real Kafka is named: it says nothing about that.
func EmbeddedOnly(tb testing.TB) {
	tb.Helper()
	if Real() {
		tb.Skip("about the embedded broker alone")
	}
}

// NeedApache skips a test that starts an Apache Kafka of its own where its jars are missing,
// so that tests fetch nothing, and with -short. With CI=true missing jars are a failure.
func NeedApache(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("starts Java processes; not with -short")
	}
	if !kafka.Installed() && os.Getenv("CI") != "true" {
		tb.Skip("the jars of Apache Kafka are not here; go run ./bench/kafka/install fetches them")
	}
}

// Real reports whether tests run on a real Kafka.
func Real() bool { return os.Getenv(Env) != "" }
