package run

import (
	"errors"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// part is a partition that a lane serves: the stage instance and what is committed of it.
// The lane's goroutine owns it; inbox and tenure alone are shared with the executor of effects.
type part struct {
	id    tp     // full name of the input topic
	topic string // without prefix
	stage pipeline.Stage
	state pipeline.Stateful // the same, nil if the stage has no state

	next      int64 // committed input offset, or where reading started
	seq       uint64
	watermark pipeline.Millis
	snap      snapshotAge

	seenAt  time.Time // when records came last
	highest int64     // end of the partition, as of the last fetch
	atEnd   bool      // nothing was left to read at the position endAt
	endAt   int64
	owned   bool      // Kafka said that the partition is ours
	given   time.Time // when the group assigned it
	paused  bool
	warmed  bool // the state holds what no committed transaction tells yet, see warm
	tries   int  // failures in a row of the batch at hand
	careful bool // look for the record that makes the stage fail

	probe   probe // the last one
	probed  bool  // the first records were, since the assignment or since nothing is suspected
	suspect bool  // its records are processed in pieces, alone

	counted []uint64 // what the stage's counters were at the last commit or rollback

	inbox  inbox
	tenure *tenure // of the session; shared with the executor of effects
}

// countedSince calls add with what the stage counted since the last call.
func (p *part) countedSince(add func(name string, n uint64)) {
	c, ok := p.state.(pipeline.Counted)
	if !ok {
		return
	}
	i := 0
	c.Counters(func(name string, n uint64) {
		if i == len(p.counted) {
			p.counted = append(p.counted, 0)
		}
		if n > p.counted[i] {
			add(name, n-p.counted[i])
		}
		p.counted[i] = n
		i++
	})
}

// snapshotAge says how much a restore would have to read.
type snapshotAge struct {
	at    time.Time
	bytes int64 // of the newest snapshot
	since int64 // of the deltas after it
}

// inbox holds the results of calls until a committed batch has taken them. It is safe for
// concurrent use.
type inbox struct {
	mu      sync.Mutex
	closed  bool // the partition is no longer ours: results are dropped
	waiting []pipeline.Return
	pending int // calls submitted whose result is not committed yet
}

// put adds a result and reports whether anybody will read it.
func (i *inbox) put(r pipeline.Return) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return false
	}
	i.waiting = append(i.waiting, r)
	return true
}

// peek appends the results to dst and leaves them where they are.
func (i *inbox) peek(dst []pipeline.Return) []pipeline.Return {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append(dst, i.waiting...)
}

// taken forgets the first n results, because a batch with them is committed, and returns
// how many of them were still there.
func (i *inbox) taken(n int) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n = min(n, len(i.waiting))
	rest := copy(i.waiting, i.waiting[n:])
	clear(i.waiting[rest:])
	i.waiting = i.waiting[:rest]
	i.pending -= n
	return n
}

func (i *inbox) submitted(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pending += n
}

func (i *inbox) counts() (waiting, pending int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.waiting), i.pending
}

// close drops the results, those that are yet to come too, and returns how many there were.
func (i *inbox) close() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.waiting)
	i.closed, i.waiting = true, nil
	return n
}

// isClosed reports whether the partition is no longer ours.
func (i *inbox) isClosed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.closed
}

// rollback takes back what the stage did since the last commit.
func (p *part) rollback() error {
	if p.state == nil {
		return nil
	}
	if p.warmed {
		return pipeline.AsRetry("warm", 0, errors.New("the first transaction after a warm-up failed: both are done again"))
	}
	return guard(func() error {
		p.state.Rollback()
		p.countedSince(func(string, uint64) {}) // it is done again
		return nil
	})
}

// memory is what the partition takes: its state, and 1 KiB for each call under way.
func (p *part) memory() int64 {
	_, pending := p.inbox.counts()
	n := int64(pending) << 10
	if p.state != nil {
		n += int64(p.state.StateBytes())
	}
	return n
}
