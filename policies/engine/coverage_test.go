package engine

import (
	"fmt"
	"slices"
	"testing"
)

const labelled = `# METADATA
# title: the package
# custom:
#   owner: soc
package c

# METADATA
# title: admins
# custom:
#   severity: high
# labels:
#   rule_id: R1
who contains "admin" if input.role == "admin"

# METADATA
# labels:
#   rule_id: R2
who contains "night" if input.hour < 6

level := 3 if input.role == "admin" else := 2 if input.hour < 6 else := 1

obj[k].seen := true if some k in input.keys

answer := {"who": who, "level": level, "obj": obj}
`

func TestRulesThatHoldAreCountedAndNamed(t *testing.T) {
	t.Parallel()
	for _, off := range []Feature{0, allOff} {
		p := mustLoad(t, Config{Modules: map[string]string{"c.rego": labelled}, Entrypoints: []string{"c/answer"}, Coverage: true, Without: off})
		m := p.NewMachine()
		f := func(input string, want ...string) {
			t.Helper()
			r, err := m.Eval(t.Context(), 0, JSON([]byte(input)))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, i := range r.Fired() {
				rule := p.Rules()[i]
				got = append(got, fmt.Sprintf("%s:%d", rule.Path, rule.Row))
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", input, got, want)
			}
		}
		f(`{"role": "admin", "hour": 9}`, "data.c.answer:24", "data.c.level:20", "data.c.who:13")
		f(`{"role": "x", "hour": 3, "keys": ["a", "b"]}`, "data.c.answer:24", "data.c.level:20", "data.c.obj:22", "data.c.who:18")
		f(`{}`, "data.c.answer:24", "data.c.level:20")
		rule := p.Rules()[0]
		if rule.Title != "admins" || rule.Custom["owner"] != "soc" || rule.Custom["severity"] != "high" || rule.Labels["rule_id"] != "R1" {
			t.Errorf("metadata: %+v", rule)
		}
		var total uint64
		for _, n := range m.Hits() {
			total += n
		}
		if total != 9 {
			t.Errorf("%d hits: %v", total, m.Hits())
		}
	}
}
