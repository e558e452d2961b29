package replay

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

// fact is an alert's revision as it lies on facts.
func fact(alert string, revision uint64, at, ingested int) Output {
	return Output{Key: []byte(alert), Value: fmt.Appendf(nil, `{"time":%d,"alert":{"alert_id":"%s","revision":%d,"logged_time":%d}}`,
		at, pipeline.HashID(alert), revision, ingested)}
}

func TestOrderIsAFunctionOfTheRecords(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(*seed, 3))
	var facts []Output
	for i := range 200 {
		facts = append(facts, fact(fmt.Sprint("alert", i/4), uint64(1+i%4), rnd.IntN(1000), rnd.IntN(1000)))
	}
	var want []string
	for range 5 {
		rnd.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		log, err := order(outputs{pipeline.TopicFacts: slices.Clone(facts)}, []string{pipeline.TopicFacts})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range log {
			if i > 0 && log[i].Time < log[i-1].Time {
				t.Fatalf("record %d lies before its time", i)
			}
			got = append(got, fmt.Sprint(log[i].Time, string(log[i].Value)))
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: the order depends on that in which the records came", *seed)
		}
	}
}

func TestRevisionsOfAnAlertKeepTheirOrder(t *testing.T) {
	t.Parallel()
	log, err := order(outputs{pipeline.TopicFacts: {fact("a", 2, 10, 10), fact("a", 1, 50, 50), fact("b", 1, 20, 30)}}, []string{pipeline.TopicFacts})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range log {
		got = append(got, fmt.Sprint(string(r.Key), r.Time))
	}
	if want := []string{"b30", "a50", "a50"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if first := fact("a", 1, 50, 50); !bytes.Equal(log[1].Value, first.Value) {
		t.Errorf("revision 2 lies before revision 1")
	}
}
