package run

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestAccountsCoverEveryRecordOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	if err := EnsureTopics(t.Context(), r.k, TopicSpec{Name: pipeline.TopicLedger, Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i := range 300 {
		lines = append(lines, string(rune('a'+i%7))+" "+string(rune('0'+i%10))+string(rune('A'+i/10)))
	}
	// Two lives of the worker, so that accounts go on over a restart.
	for _, part := range [][]string{lines[:170], lines[170:]} {
		r.produce(part...)
		c := r.config("w")
		c.Stage, c.Accounts = "ingest", true
		l := r.start(c)
		eventually(t, func() string {
			lag, err := Lag(t.Context(), r.k, Input{Group: Group(r.k, "ingest"), Topics: []string{"in"}})
			if err != nil || lag > 0 {
				return "the lane is behind"
			}
			return ""
		})
		l.stop(t)
	}
	schema := accountSchemaFile(t)
	byPartition := map[int32][]pipeline.Account{}
	total := 0
	for _, rs := range r.records(pipeline.TopicLedger) {
		for _, rec := range rs {
			var doc any
			var a pipeline.Account
			if err := json.Unmarshal(rec.Value, &doc); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Errorf("%s: %v", rec.Value, err)
			}
			if err := json.Unmarshal(rec.Value, &a); err != nil {
				t.Fatal(err)
			}
			if a.Records != a.Live+a.Duplicate+a.Rejected {
				t.Errorf("%+v does not add up", a)
			}
			byPartition[a.Partition] = append(byPartition[a.Partition], a)
			total += a.Records
		}
	}
	if total != len(lines) {
		t.Errorf("accounts of %d records, want %d", total, len(lines))
	}
	for p, as := range byPartition {
		slices.SortFunc(as, func(a, b pipeline.Account) int { return int(a.From - b.From) })
		for i := range as[1:] {
			if as[i+1].From < as[i].To {
				t.Errorf("partition %d: account from %d overlaps the one to %d", p, as[i+1].From, as[i].To)
			}
		}
	}
}

func accountSchemaFile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("../../schemas/json/account.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("account.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("account.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
