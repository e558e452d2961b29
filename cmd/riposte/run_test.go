package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
	"github.com/riposte-sec/riposte/bench/proc"
	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// ownKafka is the section of a configuration for the Kafka that the test runs on.
func ownKafka(t *testing.T) string {
	t.Helper()
	b := kafkatest.Start(t)
	return fmt.Sprintf("kafka: {brokers: [%q], prefix: %q}\n", strings.Join(b.Addrs, `", "`), b.Prefix)
}

// Two workers share what is fed into a Kafka beside them; one is killed in the middle and
// comes back. Every line ends in one place, and ClickHouse has it once.
func TestWorkersThatAreKilledAccountForEveryLine(t *testing.T) {
	needClickHouse(t)
	ports, err := proc.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	// It ends by itself at times when its clients are killed: the keeper starts it again.
	server, err := embedded.Keep(t.Context(), embedded.Config{Dir: filepath.Join(t.TempDir(), "ch"), TCPPort: ports[0], HTTPPort: ports[1]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	dsn := fmt.Sprintf("clickhouse://127.0.0.1:%d/riposte", ports[0])
	kafka, configs, dir := ownKafka(t), t.TempDir(), t.TempDir()
	work := func(name string) *process {
		path := filepath.Join(configs, name+".yaml")
		writeFile(t, path, kafka+fmt.Sprintf("clickhouse: {dsn: %q}\ntopics: {partitions: 4}\nworker: {name: %s, lanes: 1}\nhttp: {listen: \"\"}\n", dsn, name))
		return start(t, "run", "--config", path)
	}
	running := regexp.MustCompile("msg=running")
	a, b := work("a"), work("b") // at once: each creates what is missing
	a.awaitMatch(t, running)
	b.awaitMatch(t, running)
	want := loginAttempts(t, dir, 3000)
	fed := make(chan result, 1)
	go func() { fed <- invoke(t, "feed", dir, "--rate", "750", "--config", filepath.Join(configs, "a.yaml")) }()
	store, err := clickhouse.Open(t.Context(), clickhouse.Config{DSN: dsn, Timeout: config.Duration(60e9)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	var got account
	read := func() uint64 {
		if now, err := takeAccount(t.Context(), store); err == nil {
			got = now
		}
		return got.Read
	}
	eventually(t, "the first records read", func() bool { return read() > 0 })
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait() // it was killed
	t.Logf("killed when %d of %d records were recorded", got.Read, want.Read)
	a = work("a")
	a.awaitMatch(t, running)
	if r := <-fed; r.code != exitDone {
		t.Fatalf("feed: %s", r.stderr)
	}
	eventually(t, "all records read", func() bool { return read() >= want.Read && got.Signals > 0 })
	a.stop(t)
	b.stop(t)
	eventually(t, "the last account", func() bool { got = account{}; return read() > 0 })
	expectFates(t, got, want)
}

// A supervisor ends a worker that has not come up yet as it ends any other.
func TestWorkerThatIsEndedBeforeItRunsEndsWell(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "riposte.yaml")
	writeFile(t, file, fmt.Sprintf("kafka: {brokers: [%q]}\nhttp: {listen: \"\"}\n", l.Addr()))
	p := start(t, "run", "--config", file, "--stages", "ingest")
	c, err := l.Accept() // it waits for an answer now
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // the signal is there first
	if err := errors.Join(c.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	for range p.lines {
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestFeedSaysAtOnceWhatStandsInItsWay(t *testing.T) {
	t.Parallel()
	dir, _ := fixture(t)
	f := func(kafka string, code exitCode, says string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "riposte.yaml")
		writeFile(t, file, kafka)
		got := invoke(t, "feed", dir, "--config", file)
		if got.code != code || !strings.Contains(got.stderr, says) {
			t.Errorf("exit code %d, want %d and %q: %s", got.code, code, says, got.stderr)
		}
	}
	f(ownKafka(t), exitFailed, "raw.okta does not exist: `riposte run` creates it")
	f("kafka: {brokers: ['127.0.0.1:1']}\n", exitNotConnected, "kafka at 127.0.0.1:1: list topics: unable to dial")
}
