// Package schemas holds what riposte promises about its data: the ClickHouse schema as
// numbered migrations, and the named queries that report, console and dashboards share.
// Everything is embedded; nothing is read from disk.
package schemas

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Database is the database that the files name. A migrator or a reader that works on
// another one replaces the prefix, see [In].
const Database = "riposte"

//go:embed clickhouse/*.sql queries/*.sql
var files embed.FS

// Migration is one numbered file of DDL. Files are applied in order and never edited once
// they were released; each of their statements may be run again without effect.
type Migration struct {
	Version    uint32   // number at the start of the file's name, from 1, without gaps
	Name       string   // file name
	Digest     [32]byte // SHA-256 of the file
	Statements []string // in order, without comments around them and without the final semicolon
}

// Migrations returns all migrations in order. An error means that the program was built
// with a broken set of files.
func Migrations() ([]Migration, error) { return migrationsOf(files, "clickhouse") }

func migrationsOf(fsys fs.FS, dir string) ([]Migration, error) {
	names, err := fs.Glob(fsys, dir+"/*.sql")
	if err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	all := make([]Migration, 0, len(names))
	for i, name := range names { // sorted by Glob
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("schemas: %w", err)
		}
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if err != nil || version != uint64(i)+1 {
			return nil, fmt.Errorf("schemas: %s: want number %04d at the start of its name", name, i+1)
		}
		stmts, err := Split(string(text))
		if err != nil {
			return nil, fmt.Errorf("schemas: %s: %w", name, err)
		}
		all = append(all, Migration{
			Version: uint32(version), Name: path.Base(name), Digest: sha256.Sum256(text), Statements: stmts,
		})
	}
	return all, nil
}

// In returns sql with the database of the files replaced by database. The files write the
// database before every table and nowhere else, so that they also run as they are.
func In(database, sql string) string {
	if database == Database {
		return sql
	}
	return strings.ReplaceAll(sql, Database+".", database+".")
}

// Split cuts a text of SQL into its statements. Semicolons in strings, quoted identifiers
// and comments do not count; pieces of nothing but comments and space are left out, and so
// are comments before a statement. An error names a quote or a comment that is not closed.
func Split(text string) ([]string, error) {
	var (
		stmts []string
		start int
	)
	for i := 0; i < len(text); {
		n, err := skip(text[i:])
		if err != nil {
			return nil, err
		}
		if n > 0 {
			i += n
			continue
		}
		if text[i] == ';' {
			if s := trim(text[start:i]); s != "" {
				stmts = append(stmts, s)
			}
			start = i + 1
		}
		i++
	}
	if s := trim(text[start:]); s != "" {
		stmts = append(stmts, s)
	}
	return stmts, nil
}

// skip returns the length of the quoted text or the comment that s starts with, 0 if it
// starts with neither.
func skip(s string) (int, error) {
	switch {
	case s[0] == '\'' || s[0] == '`' || s[0] == '"':
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case s[0]:
				return i + 1, nil
			}
		}
		return 0, fmt.Errorf("no closing %c", s[0])
	case strings.HasPrefix(s, "--"):
		return comment(s), nil
	case strings.HasPrefix(s, "/*"):
		n := strings.Index(s, "*/")
		if n < 0 {
			return 0, errors.New("no closing */")
		}
		return n + 2, nil
	}
	return 0, nil
}

// comment returns the length of the line that s starts with, its end included.
func comment(s string) int {
	if n := strings.IndexByte(s, '\n'); n >= 0 {
		return n + 1
	}
	return len(s)
}

// trim cuts space and comments off the front of a statement, and space off its end.
func trim(s string) string {
	for {
		s = strings.TrimSpace(s)
		if !strings.HasPrefix(s, "--") && !strings.HasPrefix(s, "/*") {
			return s
		}
		n, err := skip(s)
		if err != nil {
			return s
		}
		s = s[n:]
	}
}
