package clickhouse

import (
	"bytes"
	"context"
	"fmt"

	"github.com/riposte-sec/riposte/schemas"
)

// bookkeeping is the table that says which files ran. It is not in a file itself: it must
// exist before the first one.
const bookkeeping = `
CREATE TABLE IF NOT EXISTS riposte.schema_migrations
(
    version       UInt32                    COMMENT 'number of the file, from 1',
    name          String                    COMMENT 'file name',
    digest        String                    COMMENT 'SHA-256 of the file, hexadecimal; a change of an applied file is an error',
    applied       DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'when, clock of the server'
)
ENGINE = ReplacingMergeTree(applied)
ORDER BY version`

// Migrate creates the database if need be and applies the migrations that it has not had,
// in order. It returns the names of those that it applied now.
//
// An applied file that is not what this program has under its number is an error, and so
// is a database that has had files that this program does not know. Two programs may
// migrate at once, and a crash in the middle is made good by the next call: every
// statement may be run again.
func (s *Store) Migrate(ctx context.Context) (applied []string, err error) {
	files, err := schemas.Migrations()
	if err != nil {
		return nil, err
	}
	return s.migrate(ctx, files)
}

func (s *Store) migrate(ctx context.Context, files []schemas.Migration) (applied []string, err error) {
	for _, sql := range []string{"CREATE DATABASE IF NOT EXISTS " + s.database, bookkeeping} {
		if err := s.exec(ctx, sql); err != nil {
			return nil, classify(fmt.Errorf("clickhouse: migrate %s: %w", s.database, err))
		}
	}
	have, err := s.applied(ctx)
	if err != nil {
		return nil, err
	}
	if err := agree(s.database, files, have); err != nil {
		return nil, err
	}
	for _, f := range files[len(have):] {
		if err := s.apply(ctx, f); err != nil {
			return applied, err
		}
		applied = append(applied, f.Name)
	}
	return applied, nil
}

// past is a migration that a database has had.
type past struct {
	Version uint32
	Name    string
	Digest  string
}

// applied returns what the database has had, by version.
func (s *Store) applied(ctx context.Context) ([]past, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	const sql = "SELECT version AS Version, name AS Name, digest AS Digest FROM riposte.schema_migrations FINAL ORDER BY version"
	var have []past
	if err := s.conn.Select(ctx, &have, schemas.In(s.database, sql)); err != nil {
		return nil, classify(fmt.Errorf("clickhouse: migrate %s: %w", s.database, err))
	}
	return have, nil
}

// agree checks that what a database has had is a beginning of files.
func agree(database string, files []schemas.Migration, have []past) error {
	for i, p := range have {
		if i >= len(files) {
			return fmt.Errorf("clickhouse: database %s has had migration %s, which this program does not know: use a newer riposte", database, p.Name)
		}
		f := files[i]
		if p.Version != f.Version || p.Digest != fmt.Sprintf("%x", f.Digest) {
			return fmt.Errorf("clickhouse: database %s has had migration %s with digest %s, but this program has %s with %x: an applied file must not change, add a new one",
				database, p.Name, p.Digest, f.Name, f.Digest)
		}
	}
	return nil
}

// apply runs one file and then writes down that it ran.
func (s *Store) apply(ctx context.Context, f schemas.Migration) error {
	for i, sql := range f.Statements {
		if err := s.exec(ctx, sql); err != nil {
			head, _, _ := bytes.Cut([]byte(sql), []byte("\n"))
			return classify(fmt.Errorf("clickhouse: migration %s, statement %d (%s): %w", f.Name, i+1, head, err))
		}
	}
	err := s.exec(ctx, "INSERT INTO riposte.schema_migrations (version, name, digest) VALUES (?, ?, ?)",
		f.Version, f.Name, fmt.Sprintf("%x", f.Digest))
	if err != nil {
		return classify(fmt.Errorf("clickhouse: migration %s: %w", f.Name, err))
	}
	return nil
}
