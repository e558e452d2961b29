package sinktest

import (
	"bytes"
	"context"
	"sync"

	"github.com/riposte-sec/riposte/pipeline"
)

// Topic is the compacted topic of a connector that keeps its effects itself, for tests. It
// is safe for concurrent use. The zero Topic is empty.
type Topic struct {
	mu     sync.Mutex
	log    []pipeline.Record
	joined []pipeline.Sharing
	fault  error
	errs   []error
}

// Join gives the topic to the connector of one more worker, as a worker that starts does.
func (t *Topic) Join(r pipeline.Sharing) {
	r.Share(t.put)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.log {
		t.learn(r, &t.log[i])
	}
	t.joined = append(t.joined, r)
	r.Learned()
}

// Fail lets every put fail with err, after it took place; nil lets them work again.
func (t *Topic) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = err
}

// Compact forgets what later records of the same key made void.
func (t *Topic) Compact() {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := map[string]int{}
	for i := range t.log {
		last[string(t.log[i].Key)] = i
	}
	kept := t.log[:0]
	for i := range t.log {
		if last[string(t.log[i].Key)] == i && t.log[i].Value != nil {
			kept = append(kept, t.log[i])
		}
	}
	t.log = kept
}

// Errors returns what connectors said of records that they would not learn.
func (t *Topic) Errors() []error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.errs
}

func (t *Topic) put(ctx context.Context, key, value []byte) error {
	if err := ctx.Err(); err != nil {
		return pipeline.AsUnknown("canceled", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, pipeline.Record{Offset: int64(len(t.log)), Key: bytes.Clone(key), Value: bytes.Clone(value)})
	for _, r := range t.joined {
		t.learn(r, &t.log[len(t.log)-1])
	}
	return t.fault
}

func (t *Topic) learn(to pipeline.Sharing, r *pipeline.Record) {
	if err := to.Learn(r); err != nil {
		t.errs = append(t.errs, err)
	}
}
