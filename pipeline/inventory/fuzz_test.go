package inventory_test

import (
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/inventory"
)

// FuzzApply gives a context topic any record. One that is refused changes nothing; one that
// is taken and then taken back leaves what was there before.
func FuzzApply(f *testing.F) {
	f.Add(uint8(0), pipeline.SchemaAsset, "acme\x1fcmdb\x1fhost\x1fdc-01", `{"tenant":"acme","source":"cmdb","kind":"host","value":"dc-01","class":"dc"}`)
	f.Add(uint8(3), pipeline.SchemaIndicator, "acme\x1fmisp\x1fip\x1f203.0.113.0/24", `{"tenant":"acme","source":"misp","kind":"ip","value":"203.0.113.0/24","confidence":80}`)
	f.Add(uint8(0), pipeline.SchemaLoad, "acme\x1fcmdb", `{"tenant":"acme","source":"cmdb","entries":1}`)
	f.Add(uint8(2), pipeline.SchemaFinding, "", "")
	f.Fuzz(func(t *testing.T, which uint8, schema, key, value string) {
		topic := pipeline.ContextTopics()[int(which)%len(pipeline.ContextTopics())]
		b := inventory.NewBuilder()
		b.CaughtUp()
		before := b.Current()
		r := pipeline.Record{Key: []byte(key), Value: []byte(value), Headers: []pipeline.Header{{Key: pipeline.HeaderSchema, Value: []byte(schema)}}}
		if err := b.Apply(topic, &r); err != nil {
			if b.CaughtUp(); b.Current().Ref().Revision != before.Ref().Revision {
				t.Errorf("a refused record changed the revision")
			}
			return
		}
		b.CaughtUp()
		for k := pipeline.EntityHost; k.String() != "?"; k++ {
			b.Current().Look(new(pipeline.Known), "acme", k, "203.0.113.7", 1)
		}
		r.Value = nil
		if err := b.Apply(topic, &r); err != nil {
			return
		}
		if b.CaughtUp(); b.Current().Ref().Revision != before.Ref().Revision {
			t.Errorf("a record that was taken back left revision %q, before it was %q", b.Current().Ref().Revision, before.Ref().Revision)
		}
	})
}
