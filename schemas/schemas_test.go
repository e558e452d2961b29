package schemas

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestSplitCutsAtSemicolonsThatEndAStatement(t *testing.T) {
	t.Parallel()
	f := func(text string, want ...string) {
		t.Helper()
		got, err := Split(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Split(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	f("")
	f(" ; ;\n-- nothing; here\n;/* ; */")
	f("SELECT 1", "SELECT 1")
	f("SELECT 1;\nSELECT 2;", "SELECT 1", "SELECT 2")
	f("SELECT ';', `;`, \";\"; B", "SELECT ';', `;`, \";\"", "B")
	f(`SELECT '\';'; B`, `SELECT '\';'`, "B")
	f("SELECT 'it''s; so'; B", "SELECT 'it''s; so'", "B")
	f("-- a; b\nSELECT 1 -- c; d\n; /* e; */ B", "SELECT 1 -- c; d", "B")
}

func TestSplitRefusesWhatIsNotClosed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"SELECT 'a", "SELECT `a", "/* a", `SELECT 'a\'`} {
		if got, err := Split(text); err == nil {
			t.Errorf("Split(%q) = %q, want an error", text, got)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("-- a; b\nSELECT ';' -- c\n; /* e; */ B;")
	f.Fuzz(func(t *testing.T, text string) {
		stmts, err := Split(text)
		if err != nil {
			return
		}
		for _, s := range stmts {
			if s == "" || strings.TrimSpace(s) != s {
				t.Errorf("Split(%q) has statement %q", text, s)
			}
			again, err := Split(s)
			if err != nil || len(again) != 1 || again[0] != s {
				t.Errorf("Split(%q) = %q, %v, but it came out of Split(%q)", s, again, err, text)
			}
		}
	})
}

func TestMigrationsMustBeNumberedWithoutGaps(t *testing.T) {
	t.Parallel()
	f := func(want string, names ...string) {
		t.Helper()
		fsys := fstest.MapFS{}
		for _, n := range names {
			fsys["d/"+n] = &fstest.MapFile{Data: []byte("SELECT 1;")}
		}
		_, err := migrationsOf(fsys, "d")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: got %v, want %q", names, err, want)
		}
	}
	f("", "0001_a.sql", "0002_b.sql")
	f("0003_c.sql: want number 0002", "0001_a.sql", "0003_c.sql")
	f("b.sql: want number 0002", "0001_a.sql", "b.sql")
	f("0001_b.sql: want number 0002", "0001_a.sql", "0001_b.sql")
}

func TestEveryEmbeddedStatementNamesItsDatabaseAndCanRunAgain(t *testing.T) {
	t.Parallel()
	all, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 6 {
		t.Fatalf("only %d migrations", len(all))
	}
	again := []string{
		"CREATE TABLE IF NOT EXISTS riposte.", "CREATE VIEW IF NOT EXISTS riposte.", "CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.",
		"CREATE OR REPLACE VIEW riposte.", "ALTER TABLE riposte.",
	}
	for _, m := range all {
		for _, s := range m.Statements {
			if !slices.ContainsFunc(again, func(p string) bool { return strings.HasPrefix(s, p) }) {
				t.Errorf("%s: %.60q is none of %q", m.Name, s, again)
			}
			if strings.HasPrefix(s, "ALTER") && !strings.Contains(s, "EXISTS") {
				t.Errorf("%s: %.60q cannot run again", m.Name, s)
			}
		}
	}
}

func TestEveryColumnOfATableSaysWhatItIs(t *testing.T) {
	t.Parallel()
	all, err := Migrations()
	if err != nil {
		t.Fatal(err)
	}
	columns := 0
	for _, m := range all {
		for _, s := range m.Statements {
			if !strings.HasPrefix(s, "CREATE TABLE") {
				continue
			}
			_, body, ok := strings.Cut(s, "\n(\n")
			if !ok {
				continue // AS another table
			}
			body, _, _ = strings.Cut(body, "\n)")
			for line := range strings.Lines(body) {
				if strings.HasPrefix(strings.TrimSpace(line), "INDEX ") {
					continue
				}
				columns++
				if !strings.Contains(line, " COMMENT '") {
					t.Errorf("%s: no comment: %s", m.Name, line)
				}
			}
		}
	}
	if columns < 150 {
		t.Errorf("only %d columns found: the test is broken", columns)
	}
}

func TestQueryHeaderIsRead(t *testing.T) {
	t.Parallel()
	q, err := parseQuery("x", `-- title: A title: with a colon
-- unit: seconds
-- empty: nothing
-- params: asof String, by String = rule, demo String =, n Array(Float64) = [1,2]
-- columns: a DateTime64(3, 'UTC'), b Tuple(x Int8, y Int8)
SELECT 1; -- the end
`)
	if err != nil {
		t.Fatal(err)
	}
	wantCols := []Column{{"a", "DateTime64(3, 'UTC')"}, {"b", "Tuple(x Int8, y Int8)"}}
	wantParams := []Param{
		{Name: "asof", Type: "String"},
		{Name: "by", Type: "String", Default: "rule", Optional: true},
		{Name: "demo", Type: "String", Optional: true},
		{Name: "n", Type: "Array(Float64)", Default: "[1,2]", Optional: true},
	}
	if q.Title != "A title: with a colon" || !slices.Equal(q.Columns, wantCols) || !slices.Equal(q.Params, wantParams) || q.SQL != "SELECT 1" {
		t.Errorf("got %+v", q)
	}
}

func TestQueriesNameTheirDatabaseAndDeclareTheirParameters(t *testing.T) {
	t.Parallel()
	all, err := Queries()
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range all {
		for _, p := range q.Params {
			if !strings.Contains(q.SQL, "{"+p.Name+":"+p.Type+"}") {
				t.Errorf("%s: parameter %s is not used as {%s:%s}", name, p.Name, p.Name, p.Type)
			}
		}
		if n := strings.Count(q.SQL, ":String}"); n > 0 && len(q.Params) == 0 {
			t.Errorf("%s uses parameters that it does not declare", name)
		}
	}
}

func TestInMovesToAnotherDatabase(t *testing.T) {
	t.Parallel()
	const sql = "SELECT * FROM riposte.events, riposte.facts WHERE x = 'riposte'"
	if got := In(Database, sql); got != sql {
		t.Errorf("got %q", got)
	}
	if got, want := In("other", sql), "SELECT * FROM other.events, other.facts WHERE x = 'riposte'"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzQuery reads any text as a named query.
func FuzzQuery(f *testing.F) {
	queries, err := Queries()
	if err != nil {
		f.Fatal(err)
	}
	for _, q := range queries {
		f.Add("-- title: " + q.Title + "\n-- unit: s\n-- empty: none\n-- columns: a UInt8, b Map(String, String)\n-- params: x Array(String)=[], y Date\n" + q.SQL)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseQuery("q", text)
		if err != nil {
			return
		}
		if q.SQL == "" || q.Title == "" || len(q.Columns) == 0 {
			t.Errorf("%q is taken as %+v", text, q)
		}
	})
}
