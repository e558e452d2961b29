package clickhouse_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/schemas"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
	"github.com/riposte-sec/riposte/sinks/clickhouse/chtest"
)

const asOf = "2026-11-08 00:00:00"

// fixture returns a database with the incidents of testdata/incidents.sql, whose metrics
// were computed by hand.
func fixture(t *testing.T) *clickhouse.Store {
	t.Helper()
	s := chtest.Store(t)
	sql, err := os.ReadFile("testdata/incidents.sql")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(t.Context(), string(sql)); err != nil {
		t.Fatal(err)
	}
	return s
}

// text writes a result as one line per row: cells apart by a space, a float with at most
// three decimals, NULL as "-".
func text(r *clickhouse.Result) string {
	var b strings.Builder
	for _, row := range r.Rows {
		for i, c := range row {
			if i > 0 {
				b.WriteByte(' ')
			}
			switch c := c.(type) {
			case nil:
				b.WriteByte('-')
			case float64:
				s := fmt.Sprintf("%.3f", c)
				b.WriteString(strings.TrimSuffix(strings.TrimRight(s, "0"), "."))
			default:
				fmt.Fprint(&b, c)
			}
		}
		b.WriteByte('\n')
	}
	return strings.TrimSpace(b.String())
}

func TestMetricsEqualTheHandComputedValues(t *testing.T) {
	t.Parallel()
	s := fixture(t)
	f := func(what, query string, params map[string]string, want string) {
		t.Helper()
		got, err := s.Run(t.Context(), query, params)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if text(got) != want {
			t.Errorf("%s: got\n%s\nwant\n%s", what, text(got), want)
		}
	}
	p := func(more ...string) map[string]string {
		m := map[string]string{"asof": asOf}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	// grp, incidents, skewed, late, mean, p50, p90
	f("time to detect", "mttd", p(), "1 4 0 0 210 90 456\n2 6 1 1 630 37.5 1845")
	f("time to detect by rule", "mttd", p("by", "rule"),
		"c2_beacon 4 1 0 48.75 37.5 102\nlsass_dump 3 0 0 230 60 492\nphish 3 0 1 1245 90 2898")
	// grp, incidents, done, open, p50, p75, p90, restricted mean, longest
	f("time to contain", "mttr", p("tau", "3600"), "1 4 3 1 90 900 - 1155 3600\n2 5 5 0 50 60 120 52 120")
	f("time to acknowledge", "durations", p("metric", "tta", "tau", "86400"),
		"1 4 4 0 120 300 600 270 600\n2 3 2 1 1000 - - 29200 86400")
	f("time to resolve", "durations", p("metric", "ttr", "tau", "7200"),
		"1 4 3 1 1200 7200 7200 4050 7200\n2 6 5 1 400 5000 - 2725 86400")
	// wanted, contained, automatic, approved, manual, not contained, rate
	f("automation", "automation", p(), "9 8 4 2 2 1 0.5")
	// priority, target, met, breached, pending, attainment
	f("targets", "sla", p("targets", "[900,60,1,1,1]"), "1 900 3 1 0 0.75\n2 60 4 1 0 0.8")
	f("targets not reached yet", "sla", p("targets", "[4000,60,1,1,1]"), "1 4000 3 0 1 1\n2 60 4 1 0 0.8")
	// priority, open, untouched, p50, p90, oldest
	f("backlog", "backlog", p(), "1 1 0 3600 3600 3600\n2 1 1 86400 86400 86400")
	// rule, incidents, confirmed, false positives, precision, its lower bound, mean, median
	f("rules", "rules", p(),
		"c2_beacon 4 2 0 1 0.342 48.75 37.5\nlsass_dump 4 3 1 0.75 0.301 230 60\nphish 3 2 0 1 0.342 1245 90")
	f("only real incidents", "mttd", p("demo", "0", "by", "all"), "all 10 1 1 462 60 900")
	f("only sample traffic", "mttd", p("demo", "1", "by", "all"), "")
	f("only the last day", "mttd", p("since", "2026-11-07 12:00:00", "by", "all"), "all 1 0 0 60 60 60")
}

func TestNaiveMeanWouldHideTheOpenIncident(t *testing.T) {
	t.Parallel()
	s := fixture(t)
	var got []struct{ Naive float64 }
	sql := "SELECT avgIf(assumeNotNull(ttc), NOT ttc_open) AS Naive FROM riposte.incident_times(asof = '" + asOf + "') WHERE counted AND priority = 1"
	if err := s.Rows(t.Context(), sql, &got); err != nil {
		t.Fatal(err)
	}
	if got[0].Naive != 340 {
		t.Errorf("got %v, want 340, where the restricted mean is 1155", got[0].Naive)
	}
}

// TestEveryQueryKeepsItsHeadersPromise runs each named query on an empty database and on
// the fixture, and compares what comes back with the columns of its header.
func TestEveryQueryKeepsItsHeadersPromise(t *testing.T) {
	t.Parallel()
	all, err := schemas.Queries()
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{
		"asof": asOf, "incident": "00000000-0000-0000-0000-000000000007", "value": "10.0.0.1",
		"tenant": "acme", "from": "2026-11-01", "until": "2026-11-08", "values": "['31302e302e302e31']", "rules": "['x']",
		"lows": "['31302e302e302e30']", "highs": "['31302e302e302e3535']", "domains": "['6578616d706c65']",
	}
	for _, s := range []*clickhouse.Store{chtest.Store(t), fixture(t)} {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			q := all[name]
			params := map[string]string{}
			for _, p := range q.Params {
				if !p.Optional {
					params[p.Name] = given[p.Name]
				}
			}
			got, err := s.Run(t.Context(), name, params)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !slices.Equal(got.Columns, q.Columns) {
				t.Errorf("%s: got columns\n%v\nits header says\n%v", name, got.Columns, q.Columns)
			}
		}
	}
}

func TestQueryRefusesUnknownAndMissingParameters(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	f := func(name string, params map[string]string, want string) {
		t.Helper()
		_, err := s.Run(t.Context(), name, params)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %v: got %v, want %q", name, params, err, want)
		}
	}
	f("mttd", nil, "parameter asof is missing")
	f("mttd", map[string]string{"asof": asOf, "until": "now"}, "no parameter until")
	f("nothing", nil, `no query "nothing"`)
}
