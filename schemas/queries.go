package schemas

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Query is one named query of queries/*.sql: the same text serves the report command, the
// console and dashboards, so that there is one definition of each number.
//
// A file starts with a header of comment lines "-- key: value": title, unit, empty (what
// an empty result means), columns and params, the last two as "name Type, name Type"; a
// parameter may have a default, "name Type = text". The text refers to a parameter as
// {name:Type}.
type Query struct {
	Name    string // file name without .sql
	Title   string
	Unit    string
	Empty   string
	Columns []Column
	Params  []Param
	SQL     string // without header and final semicolon
}

// Column is a name and a ClickHouse type.
type Column struct{ Name, Type string }

// Param is a parameter of a query. Without a default the caller must give it.
type Param struct {
	Name, Type string
	Default    string
	Optional   bool
}

// Queries returns all queries by name.
func Queries() (map[string]Query, error) {
	names, err := fs.Glob(files, "queries/*.sql")
	if err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	all := make(map[string]Query, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("schemas: %w", err)
		}
		q, err := parseQuery(strings.TrimSuffix(path.Base(name), ".sql"), string(text))
		if err != nil {
			return nil, fmt.Errorf("schemas: %s: %w", name, err)
		}
		all[q.Name] = q
	}
	return all, nil
}

func parseQuery(name, text string) (Query, error) {
	q := Query{Name: name}
	rest := text
	for strings.HasPrefix(rest, "-- ") {
		line, after, _ := strings.Cut(rest, "\n")
		key, value, ok := strings.Cut(strings.TrimPrefix(line, "-- "), ": ")
		if !ok {
			return q, fmt.Errorf("header line %q: want \"-- key: value\"", line)
		}
		if err := q.set(key, strings.TrimSpace(value)); err != nil {
			return q, err
		}
		rest = after
	}
	stmts, err := Split(rest)
	if err != nil {
		return q, err
	}
	if len(stmts) != 1 || q.Title == "" || q.Unit == "" || q.Empty == "" || len(q.Columns) == 0 {
		return q, fmt.Errorf("want title, unit, empty and columns, and one statement (there are %d)", len(stmts))
	}
	q.SQL = stmts[0]
	return q, nil
}

// set takes over one line of the header.
func (q *Query) set(key, value string) error {
	switch key {
	case "title":
		q.Title = value
	case "unit":
		q.Unit = value
	case "empty":
		q.Empty = value
	case "columns":
		for _, part := range splitTypes(value) {
			name, typ, ok := strings.Cut(part, " ")
			if !ok {
				return fmt.Errorf("column %q: want name and type", part)
			}
			q.Columns = append(q.Columns, Column{Name: name, Type: typ})
		}
	case "params":
		for _, part := range splitTypes(value) {
			decl, def, optional := strings.Cut(part, "=")
			name, typ, ok := strings.Cut(strings.TrimSpace(decl), " ")
			if !ok {
				return fmt.Errorf("parameter %q: want name and type", part)
			}
			q.Params = append(q.Params, Param{Name: name, Type: typ, Default: strings.TrimSpace(def), Optional: optional})
		}
	default:
		return fmt.Errorf("header key %q: want title, unit, empty, columns or params", key)
	}
	return nil
}

// splitTypes cuts at commas that are not inside parentheses or brackets.
func splitTypes(s string) []string {
	var (
		parts []string
		depth int
		start int
	)
	for i := range len(s) {
		switch s[i] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, strings.TrimSpace(s[start:i]))
				start = i + 1
			}
		}
	}
	return append(parts, strings.TrimSpace(s[start:]))
}
