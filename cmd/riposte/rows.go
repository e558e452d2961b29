package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/record"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
)

// rows is where recorded rows go: ClickHouse, opened and migrated with the first block
// that it takes. A worker starts without it: record lags then, and no other stage needs
// it. Its methods are safe for concurrent use.
type rows struct {
	open func(ctx context.Context) (*clickhouse.Store, error)

	mu     sync.Mutex
	store  *clickhouse.Store // nil until it was open once
	writer *clickhouse.Writer
}

var (
	_ pipeline.RowSink  = (*rows)(nil)
	_ assembly.Searcher = (*rows)(nil)
)

// firstTry bounds what a server that does not answer costs at the start of a worker.
const firstTry = 10 * time.Second

// openRows opens the ClickHouse of the configuration. One that is away is no error; one
// that will never do is.
func openRows(ctx context.Context, cfg Config, log *slog.Logger) (*rows, error) {
	r := &rows{open: func(ctx context.Context) (*clickhouse.Store, error) { return migrated(ctx, cfg, log) }}
	try, cancel := context.WithTimeout(ctx, firstTry)
	defer cancel()
	_, err := r.ready(try)
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !mayComeBack(err) && try.Err() == nil:
		return nil, failWith(exitConfig, err)
	}
	log.Warn("ClickHouse does not answer: everything runs, recording waits for it", "err", err)
	return r, nil
}

// rowsTo are rows to a store that is open and migrated. The caller closes the store.
func rowsTo(store *clickhouse.Store) *rows {
	return &rows{writer: newWriter(store), store: store}
}

func newWriter(store *clickhouse.Store) *clickhouse.Writer {
	return clickhouse.NewWriter(store, func() clickhouse.Rows { return record.New() })
}

// ready opens the store if it was not open before. Its error is the one of the opening.
func (r *rows) ready(ctx context.Context) (*clickhouse.Writer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writer != nil {
		return r.writer, nil
	}
	store, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	r.store, r.writer = store, newWriter(store)
	return r.writer, nil
}

// Insert implements [pipeline.RowSink].
func (r *rows) Insert(ctx context.Context, blk *pipeline.Block) error {
	w, err := r.ready(ctx)
	if err != nil {
		return err
	}
	return w.Insert(ctx, blk)
}

// Hunt implements [assembly.Searcher].
func (r *rows) Hunt(ctx context.Context, h pipeline.Hunt) ([]pipeline.Sighting, error) {
	if _, err := r.ready(ctx); err != nil {
		return nil, err
	}
	return r.store.Hunt(ctx, h)
}

// ping reports whether ClickHouse answers.
func (r *rows) ping(ctx context.Context) error {
	if _, err := r.ready(ctx); err != nil {
		return err
	}
	return r.store.Ping(ctx)
}

// close closes the store, if it was ever open.
func (r *rows) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.store == nil {
		return nil
	}
	return r.store.Close()
}

// migrated opens ClickHouse and brings the database up to this program's schema.
func migrated(ctx context.Context, cfg Config, log *slog.Logger) (*clickhouse.Store, error) {
	store, err := clickhouse.Open(ctx, cfg.ClickHouse)
	if err != nil {
		return nil, err
	}
	applied, err := store.Migrate(ctx)
	for _, name := range applied {
		log.Info("migration applied", "name", name)
	}
	if err != nil {
		_ = store.Close() // the migration's error says more
		return nil, err
	}
	return store, nil
}
