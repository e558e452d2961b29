package clickhouse

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/riposte-sec/riposte/schemas"
)

// Result is what a named query returned. Cells have the driver's Go types: string,
// uint64, float64, bool, time.Time, []string, uuid.UUID, ...; nil stands for NULL.
type Result struct {
	Query   schemas.Query
	Columns []schemas.Column // as the server named and typed them
	Rows    [][]any
}

// Run runs the query schemas/queries/<name>.sql. params are texts as SQL literals without
// quotes ('2026-11-08 00:00:00.000', '86400', '[1,2]'); one without a default must be
// given, and one that the query does not have is an error.
func (s *Store) Run(ctx context.Context, name string, params map[string]string) (*Result, error) {
	return s.run(ctx, name, params, s.timeout)
}

func (s *Store) run(ctx context.Context, name string, params map[string]string, timeout time.Duration) (*Result, error) {
	all, err := schemas.Queries()
	if err != nil {
		return nil, err
	}
	q, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("clickhouse: there is no query %q", name)
	}
	given, err := bind(q, params)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(given))
	rows, err := s.conn.Query(ctx, schemas.In(s.database, q.SQL))
	if err != nil {
		return nil, classify(fmt.Errorf("clickhouse: query %s: %w", name, err))
	}
	defer func() { _ = rows.Close() }() // rows.Err has what went wrong
	res := &Result{Query: q}
	for _, c := range rows.ColumnTypes() {
		res.Columns = append(res.Columns, schemas.Column{Name: c.Name(), Type: c.DatabaseTypeName()})
	}
	for rows.Next() {
		cells := make([]any, len(res.Columns))
		for i, c := range rows.ColumnTypes() {
			cells[i] = reflect.New(c.ScanType()).Interface()
		}
		if err := rows.Scan(cells...); err != nil {
			return nil, fmt.Errorf("clickhouse: query %s: %w", name, err)
		}
		res.Rows = append(res.Rows, deref(cells))
	}
	if err := rows.Err(); err != nil {
		return nil, classify(fmt.Errorf("clickhouse: query %s: %w", name, err))
	}
	return res, nil
}

// bind returns the values of all parameters of q.
func bind(q schemas.Query, params map[string]string) (clickhouse.Parameters, error) {
	given := make(clickhouse.Parameters, len(q.Params))
	for _, p := range q.Params {
		v, ok := params[p.Name]
		switch {
		case ok:
			given[p.Name] = v
		case p.Optional:
			given[p.Name] = p.Default
		default:
			return nil, fmt.Errorf("clickhouse: query %s: parameter %s is missing", q.Name, p.Name)
		}
	}
	for name := range params {
		if _, ok := given[name]; !ok {
			return nil, fmt.Errorf("clickhouse: query %s has no parameter %s", q.Name, name)
		}
	}
	return given, nil
}

// deref turns the pointers that were scanned into what they point to, and a nil inside
// (NULL) into nil.
func deref(cells []any) []any {
	for i, c := range cells {
		v := reflect.ValueOf(c).Elem()
		for v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		if v.Kind() == reflect.Pointer {
			cells[i] = nil
			continue
		}
		cells[i] = v.Interface()
	}
	return cells
}
