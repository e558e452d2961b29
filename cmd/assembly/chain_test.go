package assembly

import (
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/dedupe"
)

func TestChainCountsWhatItsLinkWithStateCounts(t *testing.T) {
	t.Parallel()
	seen, err := dedupe.New(dedupe.Default())
	if err != nil {
		t.Fatal(err)
	}
	var stage pipeline.Stage = &chain{Stateful: seen, links: []pipeline.Stage{seen}}
	c, ok := stage.(pipeline.Counted)
	if !ok {
		t.Fatal("the runtime would find no counters")
	}
	told := map[string]bool{}
	c.Counters(func(name string, _ uint64) { told[name] = true })
	if !told["shed"] {
		t.Errorf("counters %v, want shed among them", told)
	}
}
