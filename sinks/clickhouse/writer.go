package clickhouse

import (
	"context"
	"fmt"
	"sync"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// Rows turns a block of records into rows, table by table. It is what pipeline/record
// makes. The tables belong to Rows and read right until the next call. Equal blocks must
// give equal rows. It is used by one goroutine at a time.
type Rows interface {
	Convert(blk *pipeline.Block) []*columns.Table
}

// Writer stores blocks in a database. It implements [pipeline.RowSink] and is safe for
// concurrent use.
type Writer struct {
	store *Store
	rows  sync.Pool // of Rows
}

var _ pipeline.RowSink = (*Writer)(nil)

// NewWriter returns a writer into the store. newRows makes as many converters as blocks
// are inserted at the same time.
func NewWriter(s *Store, newRows func() Rows) *Writer {
	return &Writer{store: s, rows: sync.Pool{New: func() any { return newRows() }}}
}

// Insert stores the block. Its tables are filled one after the other, each in one insert
// under the block's token, so that the call can be repeated after any error and any crash:
// a table that has the rows refuses them. Errors are Retry, but Stop where repeating would
// not help: another schema, no rights.
func (w *Writer) Insert(ctx context.Context, blk *pipeline.Block) error {
	rows := w.rows.Get().(Rows) //nolint:forcetypeassert // New makes nothing else
	defer w.rows.Put(rows)
	ctx, cancel := context.WithTimeout(ctx, w.store.timeout)
	defer cancel()
	token := Token(blk)
	for _, t := range rows.Convert(blk) {
		if err := w.store.inserts.insert(ctx, w.store.database, token, t); err != nil {
			return classify(fmt.Errorf("clickhouse: insert %s into %s: %w", token, t.Name, err))
		}
	}
	return nil
}

// Token is the block's name among all blocks: "events:3:1000-2000". The version of the
// program is not in it: a block that was stored before an upgrade and is planned again
// after it is the same block.
func Token(blk *pipeline.Block) string {
	return fmt.Sprintf("%s:%d:%d-%d", blk.Topic, blk.Partition, blk.From, blk.To)
}
