package record

import (
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/schemas"
)

// tables are all tables that a converter fills.
func (c *Converter) tables() []*columns.Table {
	return []*columns.Table{
		&c.events.Table, &c.signals.Table, &c.facts.Table, &c.alerts.Table, &c.incidents.Table, &c.decisions.Table,
		&c.intents.Table, &c.outcomes.Table, &c.rejects.Table, &c.ledger.Table,
	}
}

// ddl returns the columns and types of a table as schemas/clickhouse has them, without those
// that the server computes.
func ddl(t *testing.T, table string) map[string]string {
	t.Helper()
	all, err := schemas.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	head := "CREATE TABLE IF NOT EXISTS riposte." + table + "\n(\n"
	for _, m := range all {
		for _, s := range m.Statements {
			body, ok := strings.CutPrefix(s, head)
			if !ok {
				continue
			}
			body, _, _ = strings.Cut(body, "\n)")
			types := map[string]string{}
			for line := range strings.Lines(body) {
				def, _, ok := strings.Cut(strings.TrimSpace(line), " COMMENT '")
				if !ok || strings.Contains(def, " ALIAS ") {
					continue
				}
				name, typ, _ := strings.Cut(def, " ")
				types[name] = strings.TrimSpace(typ)
			}
			return types
		}
	}
	t.Fatalf("schemas/clickhouse has no table %s", table)
	return nil
}

func TestTablesHaveTheColumnsOfTheSchema(t *testing.T) {
	t.Parallel()
	for _, tab := range New().tables() {
		want := ddl(t, tab.Name)
		for i, name := range tab.Names {
			if got := tab.Columns[i].Type(); got != want[name] {
				t.Errorf("%s.%s: rows have type %q, the schema has %q", tab.Name, name, got, want[name])
			}
			delete(want, name)
		}
		for name := range want {
			t.Errorf("%s.%s is in the schema and nothing fills it", tab.Name, name)
		}
	}
}
