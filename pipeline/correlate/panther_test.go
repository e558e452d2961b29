package correlate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/internal/sharedata"
)

// pantherCase is a line of the shared correlation cases: a rule over other rules, and tests
// that tell at which minutes those matched and whether the rule fires.
type pantherCase struct {
	RuleID    string
	Detection []struct {
		Group []struct {
			ID, RuleID    string
			MinMatchCount int
			Absence       bool
		}
		Sequence              []struct{ ID, RuleID string }
		Transitions           []struct{ WithinTimeFrameMinutes int }
		LookbackWindowMinutes int
	}
	Tests []struct {
		Name           string
		ExpectedResult bool
		RuleOutputs    []struct {
			ID      string
			Matches map[string]map[string][]any
		}
	}
}

// translate makes documents of a case. A group whose members have a minimum or must be
// absent is a temporal expression; a group without is order-free; a sequence is ordered.
func (p *pantherCase) translate() []byte {
	d := p.Detection[0]
	var doc bytes.Buffer
	fmt.Fprintf(&doc, "title: %s\nid: %s\ncorrelation:\n  group-by: [key]\n  generate: true\n", p.RuleID, p.RuleID)
	if len(d.Sequence) > 0 {
		fmt.Fprintf(&doc, "  type: temporal_ordered\n  timespan: %dm\n  rules:\n", d.Transitions[0].WithinTimeFrameMinutes)
		for _, s := range d.Sequence {
			fmt.Fprintf(&doc, "    - %q\n", s.RuleID)
		}
		return doc.Bytes()
	}
	fmt.Fprintf(&doc, "  type: temporal\n  timespan: %dm\n  rules:\n", d.LookbackWindowMinutes)
	cond := ""
	for i, g := range d.Group {
		fmt.Fprintf(&doc, "    - %q\n", g.RuleID)
		if i > 0 {
			cond += " and "
		}
		if g.Absence {
			cond += "not "
		}
		cond += g.RuleID
		if g.MinMatchCount > 1 {
			cond += fmt.Sprintf(" >= %d", g.MinMatchCount)
		}
	}
	fmt.Fprintf(&doc, "  condition: %s\n", cond)
	return doc.Bytes()
}

// timeline makes matches of a test's outputs, in the order of their times.
func (p *pantherCase) timeline(t *testing.T, test int) []Match {
	t.Helper()
	rules := map[string]string{}
	for _, g := range p.Detection[0].Group {
		rules[g.ID] = g.RuleID
	}
	for _, s := range p.Detection[0].Sequence {
		rules[s.ID] = s.RuleID
	}
	var out []Match
	var zero time.Time
	for _, o := range p.Tests[test].RuleOutputs {
		for _, values := range o.Matches {
			for value, times := range values {
				for _, at := range times {
					m := Match{Rule: rules[o.ID], Event: map[string]string{"key": value}}
					switch v := at.(type) {
					case float64:
						m.At = Offset(time.Duration(v) * time.Minute)
					case string:
						abs, err := time.Parse(time.RFC3339, v)
						if err != nil {
							t.Fatal(err)
						}
						if zero.IsZero() {
							zero = abs.Add(-24 * time.Hour)
						}
						m.At = Offset(abs.Sub(zero))
					}
					out = append(out, m)
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Match) int { return int(a.At - b.At) })
	return out
}

func TestSharedTimedCasesHaveTheirVerdicts(t *testing.T) {
	t.Parallel()
	file, err := os.Open(filepath.Join(sharedata.Dir(t), "correlation", "panther-correlation-cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	cases := 0
	in := bufio.NewScanner(file)
	for in.Scan() {
		var p pantherCase
		if err := json.Unmarshal(in.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if len(p.Detection) != 1 || len(p.Detection[0].Transitions) > 1 || len(p.Tests) == 0 {
			t.Fatalf("%s: a case of another shape than is translated", p.RuleID)
		}
		c, err := parse(p.RuleID+".yml", p.translate())
		if err != nil {
			t.Fatalf("%v\n%s", err, p.translate())
		}
		set, err := NewSet([]*Correlation{c})
		if err != nil {
			t.Fatal(err)
		}
		cfg := Default()
		cfg.Rules = set
		for i, test := range p.Tests {
			cases++
			sc := Scenario{Name: test.Name, Timeline: p.timeline(t, i), Only: []string{p.RuleID}}
			err := sc.Run(t.Context(), cfg) // nothing is expected: an episode is an error
			fired := err != nil
			if fired && !strings.Contains(err.Error(), "unexpected: "+p.RuleID) {
				t.Errorf("%s: %s: %v", p.RuleID, test.Name, err)
			}
			if fired != test.ExpectedResult {
				t.Errorf("%s: %s: fired %v, want %v", p.RuleID, test.Name, fired, test.ExpectedResult)
			}
		}
	}
	if err := in.Err(); err != nil || cases != 46 {
		t.Errorf("%d cases and %v, want all 46", cases, err)
	}
}
