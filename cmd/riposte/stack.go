package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/pipeline/run/broker"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// stack is the embedded parts of `riposte up`: a Kafka broker in this process and a
// ClickHouse as its child, on one data directory.
type stack struct {
	broker *broker.Broker
	server *embedded.Keeper
	store  *clickhouse.Store
}

// stackConfig says where the embedded parts keep their data and where they listen. Zero
// ports are chosen free.
type stackConfig struct {
	dir                          string
	kafkaPort, tcpPort, httpPort int
	log                          *slog.Logger
	progress                     func(format string, args ...any)
	installTo                    io.Writer
}

// startStack starts what the data directory holds, and migrates the database.
func startStack(ctx context.Context, c stackConfig) (s *stack, err error) {
	s = &stack{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.broker, err = broker.Start(broker.Config{Dir: filepath.Join(c.dir, "kafka"), Port: c.kafkaPort}); err != nil {
		if errors.Is(err, broker.ErrLocked) {
			return s, busy(c.dir)
		}
		return s, failWith(exitNotConnected, err)
	}
	c.progress("Kafka       %s  (%s)", s.broker.Addr(), broker.Banner)
	if err := s.startClickHouse(ctx, c); err != nil {
		return s, err
	}
	c.progress("ClickHouse  %s  native, %s http, database riposte (version %s)", s.server.Addr, s.server.HTTPAddr, s.server.Version)
	return s, nil
}

func (s *stack) startClickHouse(ctx context.Context, c stackConfig) error {
	if err := embedded.Available(ctx); err != nil {
		if err := embedded.Install(ctx, c.installTo); err != nil {
			return failWith(exitNotConnected, err)
		}
	}
	var err error
	s.server, err = embedded.Keep(ctx, embedded.Config{
		Dir: filepath.Join(c.dir, "clickhouse"), TCPPort: c.tcpPort, HTTPPort: c.httpPort, Log: c.log,
	})
	if _, ok := errors.AsType[*embedded.BusyError](err); ok {
		return busy(c.dir)
	}
	if err != nil {
		return failWith(exitNotConnected, err)
	}
	cfg := clickhouse.Config{DSN: s.dsn(), Timeout: config.Duration(60 * time.Second)}
	if s.store, err = clickhouse.Open(ctx, cfg); err != nil {
		return failWith(exitNotConnected, err)
	}
	_, err = s.store.Migrate(ctx)
	return err
}

// busy is the error of a start on a data directory that is in use.
func busy(dir string) error {
	return fmt.Errorf("another riposte uses %s: stop it, or choose another directory with --data", dir)
}

// dsn is how other programs reach the embedded ClickHouse.
func (s *stack) dsn() string { return "clickhouse://" + s.server.Addr + "/riposte" }

// kafka is how the pipeline reaches the embedded broker.
func (s *stack) kafka() run.Kafka { return run.Kafka{Brokers: []string{s.broker.Addr()}} }

// restarts counts how often the embedded ClickHouse ended by itself and was started again.
func (s *stack) restarts() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "riposte_embedded_clickhouse_restarts_total",
		Help: "Times that the embedded ClickHouse ended by itself and was started again. Nothing is lost; if it rises, see clickhouse.log in the data directory.",
	}, func() float64 { return float64(s.server.Restarts()) })
}

// close ends the parts in the order in which they need each other.
func (s *stack) close() error {
	var errs []error
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	if s.broker != nil {
		errs = append(errs, s.broker.Close())
	}
	return errors.Join(errs...)
}

// dataHome is the folder for data directories that nobody named.
func dataHome() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "riposte"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home directory: choose a data directory with --data (%w)", err)
	}
	return filepath.Join(home, ".local", "share", "riposte"), nil
}
