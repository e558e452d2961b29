package run

import (
	"sync"

	"github.com/riposte-sec/riposte/pipeline"
)

// Stats is what a lane did since it was made, committed transactions only. Read = Live +
// Duplicate + Rejected for a stage that counts so.
type Stats struct {
	Read, Live, Duplicate, Rejected int64
	Late, Skewed                    int64
	Bytes                           int64
	Outputs                         map[string]int64 // records by topic, without prefix; rejects are not among them
	RejectReasons                   map[string]int64
	Committed, Aborted              int64 // transactions
	Calls                           int64 // calls to connectors that were asked for
}

// Add adds o to s, so that the lanes of a stage can be summed up.
func (s *Stats) Add(o Stats) {
	s.Read += o.Read
	s.Live += o.Live
	s.Duplicate += o.Duplicate
	s.Rejected += o.Rejected
	s.Late += o.Late
	s.Skewed += o.Skewed
	s.Bytes += o.Bytes
	s.Committed += o.Committed
	s.Aborted += o.Aborted
	s.Calls += o.Calls
	s.Outputs = addAll(s.Outputs, o.Outputs)
	s.RejectReasons = addAll(s.RejectReasons, o.RejectReasons)
}

func addAll(dst, src map[string]int64) map[string]int64 {
	if dst == nil {
		dst = make(map[string]int64, len(src))
	}
	for k, n := range src {
		dst[k] += n
	}
	return dst
}

// tally collects Stats. It is safe for concurrent use.
type tally struct {
	mu sync.Mutex
	s  Stats
}

func (t *tally) snapshot() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	var s Stats
	s.Add(t.s)
	return s
}

func (t *tally) aborted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s.Aborted++
}

func (t *tally) committed(s *Stats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Committed = 1
	t.s.Add(*s)
}

// countsOf returns the counts of a batch. Counts that the stage did not fill are derived,
// so that a stage that only turns records into records need not count.
func countsOf(b *pipeline.Batch) pipeline.Counts {
	c := b.Counts
	if c.In != 0 {
		return c
	}
	c.In, c.Rejected = len(b.In), len(b.Rejects)
	c.Live = c.In - c.Rejected
	c.Bytes = 0
	for i := range b.In {
		c.Bytes += len(b.In[i].Value)
	}
	return c
}

// count adds what a stage made of a batch.
func (s *Stats) count(b *pipeline.Batch) {
	c := countsOf(b)
	s.Read += int64(c.In)
	s.Live += int64(c.Live)
	s.Duplicate += int64(c.Duplicate)
	s.Rejected += int64(c.Rejected)
	s.Late += int64(c.Late)
	s.Skewed += int64(c.Skewed)
	s.Bytes += int64(c.Bytes)
	s.Calls += int64(len(b.Calls))
	for i := range b.Out {
		s.Outputs[b.Out[i].Topic]++
	}
	for i := range b.Rejects {
		s.RejectReasons[b.Rejects[i].Reason]++
	}
}
