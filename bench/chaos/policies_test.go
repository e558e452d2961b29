package main

import (
	"os"
	"testing"

	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/cmd/assembly"
)

func TestWorkersLoadWhatTheOraclePredicts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := writePolicies(dir); err != nil {
		t.Fatal(err)
	}
	p, err := assembly.LoadPolicies(t.Context(), os.DirFS(dir), assembly.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range oracle.Correlations() {
		found := false
		for _, c := range p.Correlations.All() {
			found = found || c.ID == want.ID && string(c.Type) == string(want.Kind) && c.Span == want.Span && len(c.Rules) == len(want.Rules)
		}
		if !found {
			t.Errorf("correlation %s is not loaded as the oracle has it", want.ID)
		}
	}
}
