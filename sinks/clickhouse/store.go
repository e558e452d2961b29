package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/riposte-sec/riposte/schemas"
)

// Store is a database on a ClickHouse server. It is safe for concurrent use.
type Store struct {
	conn     driver.Conn
	inserts  *inserter
	opts     *clickhouse.Options
	database string
	timeout  time.Duration
}

// Open connects and checks that the server answers. The database need not exist yet:
// Migrate creates it. Errors carry a fault: Retry where the server may come back, Reject
// where the configuration is wrong.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	password, err := cfg.Password.Reveal()
	if err != nil {
		return nil, classify(fmt.Errorf("clickhouse: password: %w", err))
	}
	opts, err := cfg.options(password)
	if err != nil {
		return nil, err
	}
	// A session in a database that does not exist yet is refused, so sessions start in
	// "default" and every statement names its database.
	database := opts.Auth.Database
	opts.Auth.Database = "default"
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, classify(fmt.Errorf("clickhouse: open: %w", err))
	}
	s := &Store{conn: conn, inserts: newInserter(opts), opts: opts, database: database, timeout: time.Duration(cfg.Timeout)}
	if err := s.Ping(ctx); err != nil {
		_ = conn.Close() // the ping's error says more
		return nil, err
	}
	return s, nil
}

// Database is the name of the database.
func (s *Store) Database() string { return s.database }

// Ping asks the server for a sign of life, for health checks.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.conn.Ping(ctx); err != nil {
		return classify(fmt.Errorf("clickhouse: ping %v: %w", s.opts.Addr, err))
	}
	return nil
}

// Close closes the connections.
func (s *Store) Close() error { return errors.Join(s.conn.Close(), s.inserts.close()) }

// exec runs one statement that returns nothing.
func (s *Store) exec(ctx context.Context, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.conn.Exec(ctx, schemas.In(s.database, sql), args...)
}
