package correlate

import (
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// TestRestartTellsNothingAgain kills the stage at every point of a timeline of waits, tellings
// and repeats, and of silences and storms, and expects the facts of the run that
// was not disturbed. Half of the restarts are from a snapshot, half from deltas.
func TestRestartTellsNothingAgain(t *testing.T) {
	t.Parallel()
	const steps = 19
	play := func(change func(*Config), restart int, snapped bool) []string {
		st := routed(t, change)
		var pieces [][]byte
		var out []string
		step := 0
		end := func(facts []pipeline.Fact) {
			for i, fate := range fates(facts) {
				out = append(out, fate+" "+facts[i].Summary)
			}
			pieces = append(pieces, st.AppendDelta(nil))
			st.Commit()
			if step++; step != restart {
				return
			}
			if snapped {
				pieces = snapshot(t, st)
			}
			st = routed(t, change)
			for _, p := range pieces {
				if len(p) > 0 {
					if err := st.Restore(p); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for i, group := range []string{"a", "b", "a", "c", "a", "d"} {
			at := time.Duration(i) * 2 * time.Minute
			end(process(t, st, sig("", group, i, at)))
			end(tick(t, st, at+31*time.Second))
			end(tick(t, st, at+80*time.Second))
		}
		end(tick(t, st, 9*time.Hour))
		return out
	}
	kept := func(c *Config) {
		c.Route, c.Routes, c.Storm = Route{RepeatInterval: 3 * time.Minute}, nil, 1
		c.Silences = []Silence{{ID: "s", Match: Matcher{Entity: "host:b"}, Owner: "ann", Reason: "x", Until: epoch.Add(time.Hour).Time()}}
	}
	for name, c := range map[string]struct {
		change func(*Config)
		shows  []string
	}{
		"waits": {nil, []string{"incident/2", "waiting"}},
		"kept":  {kept, []string{"a/incident/2", "b/silenced/1", "folded"}},
	} {
		want := strings.Join(play(c.change, 0, false), "\n")
		for _, w := range c.shows {
			if !strings.Contains(want, w) {
				t.Errorf("%s: the timeline does not show %s:\n%s", name, w, want)
			}
		}
		for restart := 1; restart <= steps; restart++ {
			for _, snapped := range []bool{false, true} {
				if got := strings.Join(play(c.change, restart, snapped), "\n"); got != want {
					t.Errorf("%s: restart after step %d, snapshot %v:\n got %s\nwant %s", name, restart, snapped, got, want)
				}
			}
		}
	}
}
