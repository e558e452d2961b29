package oracle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// timeline makes the truth of records of one group. A record is written as the letter of
// its step, its value and its second: "a5@3".
func timeline(t *testing.T, text string) *Truth {
	t.Helper()
	truth := &Truth{}
	for i, field := range strings.Fields(text) {
		var letter rune
		var value int
		var at float64
		if _, err := fmt.Sscanf(field, "%c%d@%f", &letter, &value, &at); err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		truth.Entries = append(truth.Entries, Entry{
			Seq: uint64(i + 1), Class: Correlated,
			Step: Step{Rule: "oracle_step_" + string(letter), Group: "g", Value: value, At: int64(at * 1000)},
		})
	}
	return truth
}

// TestEpisodesByHand compares with what was worked out by hand from docs/correlations.md.
func TestEpisodesByHand(t *testing.T) {
	t.Parallel()
	rules := func(letters string) (ids []string) {
		for _, l := range letters {
			ids = append(ids, "oracle_step_"+string(l))
		}
		return ids
	}
	f := func(name string, kind Kind, of string, atLeast int, line string, want ...string) {
		t.Helper()
		c := Correlation{ID: "r", Kind: kind, Rules: rules(of), Span: 6 * time.Second, AtLeast: atLeast}
		var got []string
		for _, e := range c.episodes(timeline(t, line)) {
			got = append(got, fmt.Sprintf("%s trigger %d: %v", e.Group, e.Trigger, e.Evidence))
			if e.Signals != len(e.Evidence) {
				t.Errorf("%s: %d signals, evidence %v", name, e.Signals, e.Evidence)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	f("three of four", EventCount, "a", 4, "a1@0 a1@1 a1@2")
	f("four, and what follows belongs to it", EventCount, "a", 4, "a1@0 a1@1 a1@2 a1@3 a1@9", "g trigger 4: [1 2 3 4 5]")
	f("a record exactly one span old counts", EventCount, "a", 4, "a1@0 a1@1 a1@2 a1@6", "g trigger 4: [1 2 3 4]")
	f("an older one does not", EventCount, "a", 3, "a1@0 a1@3 a1@6.5 a1@7", "g trigger 4: [2 3 4]")
	f("the order of arrival does not matter", EventCount, "a", 3, "a1@7 a1@6.5 a1@0 a1@3", "g trigger 1: [4 2 1]")
	f("a longer gap ends the episode", EventCount, "a", 2, "a1@0 a1@1 a1@7.5 a1@8", "g trigger 2: [1 2]", "g trigger 4: [3 4]")
	f("other detections do not count", EventCount, "a", 2, "a1@0 b1@1 c1@2")
	f("repeated values count once", ValueCount, "a", 3, "a1@0 a1@1 a2@2 a2@3 a3@4", "g trigger 5: [1 2 3 4 5]")
	f("sum", ValueSum, "b", 10, "b5@0 b4@1 b1@2", "g trigger 3: [1 2 3]")
	f("sum of a span", ValueSum, "b", 10, "b8@0 b1@5 b2@6.5")
	f("average of spans that do not overlap", ValueAvg, "c", 5, "c9@0 c1@6 c1@7 c8@13.5", "g trigger 2: [1 2]", "g trigger 4: [4]")
	f("spans that hold one after another", ValueAvg, "c", 5, "c9@0 c9@5 c9@7 c1@12", "g trigger 2: [1 2 3 4]")
	f("both, in any order", Temporal, "ac", 0, "c1@0 a1@6", "g trigger 2: [1 2]")
	f("too far apart", Temporal, "ac", 0, "c1@0 a1@6.001")
	f("in order", TemporalOrdered, "abc", 0, "a1@0 b1@1 c1@2", "g trigger 3: [1 2 3]")
	f("not in order", TemporalOrdered, "abc", 0, "b1@0 a1@1 c1@2")
	f("the chain that began last", TemporalOrdered, "abc", 0, "a1@0 a1@1 b1@2 a1@3 c1@4", "g trigger 5: [2 3 4 5]")
	f("followed", Absence, "bc", 0, "b1@0 c1@6")
	f("not followed", Absence, "bc", 0, "c1@0 b1@1 b2@3 c1@9.5", "g trigger 2: [2 3]")
	f("followed, and one that is not", Absence, "bc", 0, "b1@0 c1@5 b1@6", "g trigger 3: [3]")
	f("first seen again after a span without it", FirstSeen, "b", 0, "b1@0 b1@5 b2@6 b1@11.5", "g,1 trigger 1: [1 2]", "g,1 trigger 4: [4]", "g,2 trigger 3: [3]")
}

func TestEvidenceIsBoundedAndTheRestCounted(t *testing.T) {
	t.Parallel()
	var line strings.Builder
	for i := range 100 {
		fmt.Fprintf(&line, "a1@%d ", i)
	}
	c := Correlation{ID: "r", Kind: EventCount, Rules: []string{"oracle_step_a"}, Span: time.Minute, AtLeast: 2}
	got := c.episodes(timeline(t, line.String()))
	if len(got) != 1 || got[0].Signals != 100 || len(got[0].Evidence) != 64 || got[0].Evidence[63] != 64 {
		t.Errorf("got %v", got)
	}
}
