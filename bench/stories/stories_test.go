package stories

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sources/sample"
)

// start is when the sample traffic of these tests begins.
var start = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func traffic(tb testing.TB, change func(*sample.Config)) *sample.Generator {
	tb.Helper()
	cfg := sample.Default()
	cfg.Start = start
	change(&cfg)
	g, err := sample.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func TestEachStoryLeadsToItsIncidentsAndResponses(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	g := traffic(t, func(c *sample.Config) { c.Rate, c.StoryEvery, c.Duration = 10, 4*time.Minute, 11*time.Minute })
	l.run(g)
	truth := g.Truth()
	if got, want := l.counts, truth.Total; got.In != int(want.Records) || got.Live != int(want.Unique) || got.Duplicate != int(want.Duplicates) || got.Rejected != int(want.Broken) {
		t.Errorf("ingest counted %+v, the sample knows %+v", got, want)
	}
	stories := map[string]sample.Story{}
	for _, s := range sample.Stories() {
		stories[s.Name] = s
	}
	if len(truth.Runs) != 3*len(stories) {
		t.Errorf("%d runs, want three of each story", len(truth.Runs))
	}
	for _, r := range truth.Runs {
		for _, want := range stories[r.Story].Incidents {
			l.wantIncident(&r, &want)
		}
	}
	t.Logf("%d records, %d signals, %d incidents, %d intents", truth.Total.Records, len(l.signals), len(l.incidents), len(l.intents))
	for _, in := range slices.SortedFunc(maps.Values(l.incidents), func(a, b pipeline.Incident) int { return cmp.Compare(a.Group, b.Group) }) {
		t.Logf("p%d %s: %s: %v: %v", in.Priority, in.Group, in.Title, in.Rules, l.actions(in.ID))
	}
}

// wantIncident wants an incident about one of the run's subjects of that kind which carries
// the wanted responses.
func (l *line) wantIncident(r *sample.Run, want *sample.Incident) {
	l.tb.Helper()
	var seen []string
	for _, e := range r.Subjects {
		if e.Kind != want.Entity {
			continue
		}
		for _, in := range l.incidents {
			if in.Group != e.Kind+":"+e.Value {
				continue
			}
			missing := slices.DeleteFunc(slices.Clone(want.Responses), func(a string) bool { return slices.Contains(l.actions(in.ID), a) })
			if len(missing) == 0 {
				return
			}
			seen = append(seen, in.Group+" without "+strings.Join(missing, ", "))
		}
	}
	l.tb.Errorf("run %d of %s: no incident about %s among %v with %v: %v", r.Number, r.Story, want.Entity, r.Subjects, want.Responses, seen)
}

// actions returns the actions that the incident has intents for, whether or not they wait
// for a person, sorted. What guard or caps refused is not among them.
func (l *line) actions(incident pipeline.ID) []string {
	var all []string
	for _, in := range l.intents {
		if in.Incident == incident && in.Want == pipeline.WantPresent && in.Verdict != pipeline.VerdictDeny {
			all = append(all, in.Action)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestEverydayTrafficOpensNoIncident(t *testing.T) {
	t.Parallel()
	l := newLine(t)
	l.run(traffic(t, func(c *sample.Config) { c.StoryEvery, c.Rate, c.Duration = 0, 20, 11*time.Minute }))
	for _, in := range l.incidents {
		t.Errorf("%s: %s: %v", in.Group, in.Title, in.Rules)
	}
}
