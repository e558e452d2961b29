package clickhouse_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
)

func TestConfigIsCheckedWithoutAConnection(t *testing.T) {
	t.Parallel()
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(doc, want string) {
		t.Helper()
		cfg := clickhouse.Default()
		err := config.Decode("riposte.yaml", []byte(doc), &cfg)
		if err == nil {
			err = cfg.Validate()
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", doc, err, want)
		}
	}
	f("", "")
	f("dsn: clickhouse://anna@ch1:9440,ch2:9440/soc?secure=true", "")
	f("password: {env: CH_PASSWORD}", "")
	f("dsn: clickhouse://anna:s3cret@ch1:9000/soc", "a password does not belong there")
	f("dsn: http://ch1:8123/soc", "native protocol")
	f("dsn: clickhouse://ch1:9000/soc-1", `database "soc-1"`)
	f("dsn: clickhouse://ch1:9000/a;DROP", "database")
	f("dsn: ':::'", "want clickhouse://")
	f("timeout: 0s", "positive duration")
	f("ca: /nowhere/ca.pem", "ca:")
	f("ca: "+notPEM, "has no certificate")
	f("cert: a.pem", "belong together")
	f("dns: x", "unknown")
}

func TestErrorsDoNotTellThePassword(t *testing.T) {
	t.Parallel()
	cfg := clickhouse.Default()
	cfg.DSN = "clickhouse://anna:s3cret@host:port/x"
	if err := cfg.Validate(); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestUnreachableServerIsRetried(t *testing.T) {
	t.Parallel()
	cfg := clickhouse.Default()
	cfg.DSN = "clickhouse://127.0.0.1:1/riposte"
	cfg.Timeout = config.Duration(5 * time.Second)
	_, err := clickhouse.Open(t.Context(), cfg)
	if f, reason := pipeline.FaultOf(err); f != pipeline.FaultRetry || reason != "network" {
		t.Errorf("got fault %v (%s) of %v, want retry (network)", f, reason, err)
	}
}
