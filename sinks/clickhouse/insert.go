package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/riposte-sec/riposte/internal/columns"
)

// maxIdle is how many idle connections of inserts are kept.
const maxIdle = 4

// inserter sends blocks of columns. It is safe for concurrent use: each insert has a
// connection of its own.
type inserter struct {
	addrs []string
	opts  ch.Options

	mu   sync.Mutex
	idle []*ch.Client
}

// newInserter takes over the driver's options.
func newInserter(o *clickhouse.Options) *inserter {
	return &inserter{addrs: o.Addr, opts: ch.Options{
		User:        o.Auth.Username,
		Password:    o.Auth.Password,
		Compression: ch.CompressionLZ4,
		ClientName:  "riposte",
		TLS:         o.TLS,
		DialTimeout: o.DialTimeout,
		ReadTimeout: o.ReadTimeout,
	}}
}

// insert stores all rows of t as one block. The same table, token and rows again change
// nothing, neither in the table nor in the views on it, also after a restart of the server.
func (n *inserter) insert(ctx context.Context, database, token string, t *columns.Table) error {
	if t.Len() == 0 {
		return nil
	}
	client, err := n.take(ctx)
	if err != nil {
		return err
	}
	in := make(proto.Input, len(t.Columns))
	for i, c := range t.Columns {
		in[i] = proto.InputColumn{Name: t.Names[i], Data: input{c}}
	}
	err = client.Do(ctx, ch.Query{
		Body:  "INSERT INTO " + database + "." + t.Name + " (" + strings.Join(t.Names, ", ") + ") VALUES",
		Input: in,
		Settings: []ch.Setting{
			{Key: "insert_deduplicate", Value: "1", Important: true},
			{Key: "insert_deduplication_token", Value: token, Important: true},
			// Its default differs between releases: with 0 a repeated block is refused by the
			// table and counted again by its views.
			{Key: "deduplicate_blocks_in_dependent_materialized_views", Value: "1", Important: true},
			// An asynchronous insert is acknowledged before it is stored.
			{Key: "async_insert", Value: "0", Important: true},
		},
	})
	if err != nil {
		return errors.Join(err, n.drop(client)) // what was sent and not read makes the connection useless
	}
	n.give(client)
	return nil
}

// take returns an idle connection or a new one to the first address that answers.
func (n *inserter) take(ctx context.Context) (*ch.Client, error) {
	n.mu.Lock()
	if last := len(n.idle) - 1; last >= 0 {
		c := n.idle[last]
		n.idle = n.idle[:last]
		n.mu.Unlock()
		return c, nil
	}
	n.mu.Unlock()
	var failed []error
	for _, addr := range n.addrs {
		opts := n.opts
		opts.Address = addr
		c, err := ch.Dial(ctx, opts)
		if err == nil {
			return c, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", addr, err))
	}
	return nil, errors.Join(failed...)
}

// give keeps a connection for the next insert.
func (n *inserter) give(c *ch.Client) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.idle) < maxIdle {
		n.idle = append(n.idle, c)
		return
	}
	_ = c.Close() // it has done its work
}

// drop closes a connection after a failed insert; ch-go may have done so before. The idle
// ones go as well: where the server was restarted they all are dead.
func (n *inserter) drop(c *ch.Client) error {
	_ = n.close() // dead connections have nothing to say
	if err := c.Close(); err != nil && !errors.Is(err, ch.ErrClosed) {
		return err
	}
	return nil
}

// close closes the idle connections.
func (n *inserter) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var failed []error
	for _, c := range n.idle {
		failed = append(failed, c.Close())
	}
	n.idle = nil
	return errors.Join(failed...)
}
