// Package chtest gives tests a real ClickHouse: one embedded server per test binary,
// started at the first use, and a database of its own for each test.
package chtest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/riposte-sec/riposte/sinks/clickhouse"
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// shared is the server of this test binary.
var shared struct {
	once   sync.Once
	dir    string
	server *embedded.Server
	err    error
}

var databases atomic.Int64

// Main runs the tests of a package whose tests use Server, Config or Store, stops the
// server and exits. It must be all that TestMain does, or its last call, with
// [embedded.Main] as the first.
func Main(m *testing.M) {
	embedded.Main()
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir) // what stays behind lies in the temporary directory
	}
	os.Exit(code)
}

// Server returns the server of this test binary. Where none can be started the test is
// skipped, saying what to install; with CI=true it fails.
func Server(tb testing.TB) *embedded.Server {
	tb.Helper()
	if err := embedded.Available(tb.Context()); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
	shared.once.Do(func() {
		shared.dir, shared.err = os.MkdirTemp("", "riposte-clickhouse-") //nolint:usetesting // it outlives the test that needs it first
		if shared.err == nil {
			shared.server, shared.err = embedded.Start(context.WithoutCancel(tb.Context()), embedded.Config{Dir: shared.dir})
		}
	})
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}

// Config returns the configuration of a database that no other test uses. It does not
// exist yet.
func Config(tb testing.TB) clickhouse.Config {
	tb.Helper()
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, tb.Name())
	cfg := clickhouse.Default()
	cfg.DSN = fmt.Sprintf("clickhouse://%s/t%d_%.40s", Server(tb).Addr, databases.Add(1), name)
	return cfg
}

// Store returns a migrated database of the test's own. It is closed when the test ends.
func Store(tb testing.TB) *clickhouse.Store {
	tb.Helper()
	s, err := clickhouse.Open(tb.Context(), Config(tb))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	if _, err := s.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}
