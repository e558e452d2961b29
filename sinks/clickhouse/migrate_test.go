package clickhouse_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/schemas"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
	"github.com/riposte-sec/riposte/sinks/clickhouse/chtest"
)

func open(t *testing.T, cfg clickhouse.Config) *clickhouse.Store {
	t.Helper()
	s, err := clickhouse.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func migrations(t *testing.T) []schemas.Migration {
	t.Helper()
	files, err := schemas.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestMigrationsAreAppliedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	s := open(t, chtest.Config(t))
	var want []string
	for _, f := range migrations(t) {
		want = append(want, f.Name)
	}
	first, err := s.Migrate(t.Context())
	if err != nil || !slices.Equal(first, want) {
		t.Fatalf("got %v, %v, want %v", first, err, want)
	}
	again, err := s.Migrate(t.Context())
	if err != nil || len(again) != 0 {
		t.Errorf("the second time: got %v, %v, want nothing to do", again, err)
	}
}

func TestEveryStatementCanRunAgain(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	for _, f := range migrations(t) {
		for _, sql := range f.Statements {
			if err := s.Exec(t.Context(), sql); err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
	}
}

func TestAlteredFileIsRefused(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	altered := slices.Clone(migrations(t))
	altered[1].Digest[0] ^= 1
	_, err := s.MigrateTo(t.Context(), altered)
	if err == nil || !strings.Contains(err.Error(), altered[1].Name) || !strings.Contains(err.Error(), "must not change") {
		t.Errorf("got %v, want a refusal that names %s", err, altered[1].Name)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	files := migrations(t)
	_, err := s.MigrateTo(t.Context(), files[:len(files)-1])
	if err == nil || !strings.Contains(err.Error(), "use a newer riposte") {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestNewFileIsAppliedToAnOldDatabase(t *testing.T) {
	t.Parallel()
	s := open(t, chtest.Config(t))
	files := migrations(t)
	if _, err := s.MigrateTo(t.Context(), files[:2]); err != nil {
		t.Fatal(err)
	}
	got, err := s.Migrate(t.Context())
	if err != nil || len(got) != len(files)-2 || got[0] != files[2].Name {
		t.Errorf("got %v, %v, want the last %d files", got, err, len(files)-2)
	}
}

// TestEveryTableOfRecordsRefusesARepeatedBlock guards the setting without which a
// deduplication token is ignored. It is 0 by default.
func TestEveryTableOfRecordsRefusesARepeatedBlock(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	var without []struct{ Name string }
	const sql = `SELECT name AS Name FROM system.tables WHERE database = 'riposte.' AND engine LIKE '%MergeTree'
AND name != 'schema_migrations' AND create_table_query NOT LIKE '%non_replicated_deduplication_window = 10000%'`
	if err := s.Rows(t.Context(), strings.ReplaceAll(sql, "'riposte.'", "'"+s.Database()+"'"), &without); err != nil {
		t.Fatal(err)
	}
	if len(without) != 0 {
		t.Errorf("without a deduplication window: %v", without)
	}
}
