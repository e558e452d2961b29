package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/bench/proc"
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// TestStartWithoutClickHouseHoldsUpNothingButRecording starts a worker whose ClickHouse is
// away: events are detected all the same, and recorded when it comes.
func TestStartWithoutClickHouseHoldsUpNothingButRecording(t *testing.T) {
	needClickHouse(t)
	ports, err := proc.FreePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "riposte.yaml")
	writeFile(t, config, ownKafka(t)+fmt.Sprintf(`clickhouse: {dsn: "clickhouse://127.0.0.1:%d/riposte"}
topics: {partitions: 1}
http: {listen: "127.0.0.1:%d"}
`, ports[0], ports[2]))
	c := program(t, "run", "--config", config)
	var log strings.Builder
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() }) // it has ended where all went well

	dir, _ := fixture(t)
	eventually(t, "topics", func() bool { return body(t, fmt.Sprintf("http://127.0.0.1:%d/healthz", ports[2])) != "" })
	if r := invoke(t, "feed", filepath.Join(dir, "suricata"), "--source", "suricata", "--config", config); r.code != exitDone {
		t.Fatalf("feed: %s", r.stderr)
	}
	metrics := fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[2])
	eventually(t, "two live events without ClickHouse", func() bool {
		return strings.Contains(body(t, metrics), `riposte_run_records_total{fate="live",stage="ingest"} 2`)
	})
	server, err := embedded.Start(t.Context(), embedded.Config{Dir: filepath.Join(t.TempDir(), "ch"), TCPPort: ports[0], HTTPPort: ports[1]})
	if err != nil {
		t.Fatal(err)
	}
	rows := fmt.Sprintf("http://127.0.0.1:%d/?query=SELECT+count()+FROM+riposte.events", ports[1])
	eventually(t, "two rows", func() bool { return strings.TrimSpace(body(t, rows)) == "2" })
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, log.String())
	}
	if err := server.Kill(); err != nil {
		t.Error(err)
	}
}

// eventually waits a minute at most.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
