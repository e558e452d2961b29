package record

import (
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

// FuzzConvert gives every topic an arbitrary value and header. Whatever it is, the record
// must become a row of the topic's table or of rejects, never neither, and no table may be
// left with columns of different lengths (Table.Len panics on that).
func FuzzConvert(f *testing.F) {
	for i := range Topics() {
		f.Add(uint8(i), []byte(`{"class_uid":4001,"unmapped":{"a":[1],"b":{"c":"d"}},"kind":"alert","alert":{"revision":1}}`), []byte(`{"detected":1}`))
	}
	f.Fuzz(func(t *testing.T, topic uint8, value, header []byte) {
		name := Topics()[int(topic)%len(Topics())]
		r := pipeline.Record{Offset: 1, Value: value}
		for _, key := range []string{
			pipeline.HeaderTimes, pipeline.HeaderRejectOffset, pipeline.HeaderRejectPartition, pipeline.HeaderRejectTime, pipeline.HeaderRejectReason,
		} {
			r.Headers = append(r.Headers, pipeline.Header{Key: key, Value: header})
		}
		c := New()
		tables := c.Convert(&pipeline.Block{Topic: name, To: 3, Records: []pipeline.Record{r, {Offset: 2, Value: []byte("{")}}})
		rows := map[string]int{}
		for _, tab := range tables {
			rows[tab.Name] = tab.Len()
		}
		_, primary := c.adder(name)
		if got := rows[primary[0].Name] + rows["rejects"]; name != pipeline.TopicRejects && got != 2 || name == pipeline.TopicRejects && got != 4 {
			t.Errorf("%s: two records became %v", name, rows)
		}
	})
}
