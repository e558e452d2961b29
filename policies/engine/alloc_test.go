package engine

import (
	"fmt"
	"testing"
)

func TestWarmEvaluationsDoNotAllocate(t *testing.T) {
	p := mustLoad(t, Config{
		Modules: map[string]string{"p.rego": `package p

finding contains "f1" if contains(lower(input.cmd), "mimi")

finding contains sprintf("port %d", [input.port]) if input.port in {80, 443}

finding contains h if {
	some h in input.hashes
	data.iocs[h]
}

score := (count(finding) * 10) + object.get(data.assets, [input.host, "criticality"], 1)

decision := {"score": score, "finding": finding, "critical": [h | some h in input.hashes; startswith(h, "a")]}

match if {
	net.cidr_contains("10.0.0.0/8", input.ip)
	regex.match("^C:.*exe$", input.cmd)
}
`},
		Data:        []byte(`{"iocs": {"abc": true}, "assets": {"h1": {"criticality": 3}}}`),
		Entrypoints: []string{"p/decision", "p/match"},
	})
	event := []byte(`{"cmd": "C:\\MimiKatz.exe", "port": 443, "hashes": ["abc", "xyz"], "host": "h1", "ip": "10.1.2.3"}`)
	m := p.NewMachine()
	var hits []Hit
	f := func(name string, op func() string, want string) {
		t.Helper()
		if got := op(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	eval := func() Value {
		r, err := m.Eval(t.Context(), 0, JSON(event))
		if err != nil {
			t.Fatal(err)
		}
		return r.Value()
	}
	match := func() {
		var err error
		if hits, err = m.Match(t.Context(), JSON(event), hits[:0]); err != nil {
			t.Fatal(err)
		}
	}
	f("eval", func() string { return string(eval().AppendJSON(nil)) },
		`{"critical":["abc"],"finding":["abc","f1","port 443"],"score":33}`)
	f("match", func() string { match(); return fmt.Sprint(len(hits)) }, "2")
	if n := testing.AllocsPerRun(100, func() { eval() }); n > 0 {
		t.Errorf("eval allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, match); n > 0 {
		t.Errorf("match allocates %v times", n)
	}
}
