package clickhouse

import (
	"context"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/schemas"
)

// Exec runs one statement, for tests that prepare tables.
func (s *Store) Exec(ctx context.Context, sql string, args ...any) error {
	return s.exec(ctx, sql, args...)
}

// MigrateTo applies the given files instead of the embedded ones.
func (s *Store) MigrateTo(ctx context.Context, files []schemas.Migration) ([]string, error) {
	return s.migrate(ctx, files)
}

// Rows runs a query that has no name.
func (s *Store) Rows(ctx context.Context, sql string, into any) error {
	return s.conn.Select(ctx, into, schemas.In(s.database, sql))
}

// Classify is classify.
var Classify = classify

// InsertTable sends one table under a token.
func (s *Store) InsertTable(ctx context.Context, token string, t *columns.Table) error {
	return s.inserts.insert(ctx, s.database, token, t)
}
