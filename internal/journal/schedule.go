package journal

import (
	"cmp"
	"container/heap"
)

// Schedule is a set of (time, key) pairs that are taken out in order of time, then key. It
// is an index over a table, not state: whoever uses it fills it after Restore, and asks the
// table whether a pair that it is given still holds. Times are milliseconds. The zero value
// is ready to use. Not safe for concurrent use.
type Schedule struct {
	pairs pairs
	taken []pair // since the last Commit
}

type pair struct {
	at  int64
	key string
}

// Add adds a pair. The same pair may be added twice and is then given twice.
func (s *Schedule) Add(at int64, key string) { heap.Push(&s.pairs, pair{at, key}) }

// Due takes out the first pair whose time is at most now.
func (s *Schedule) Due(now int64) (at int64, key string, ok bool) {
	if len(s.pairs) == 0 || s.pairs[0].at > now {
		return 0, "", false
	}
	p, _ := heap.Pop(&s.pairs).(pair)
	s.taken = append(s.taken, p)
	return p.at, p.key, true
}

// Commit makes final what Due took out.
func (s *Schedule) Commit() { s.taken = s.taken[:0] }

// Rollback puts back what Due took out since the last Commit. Pairs that were added stay:
// they do not hold any more, and the table says so.
func (s *Schedule) Rollback() {
	for _, p := range s.taken {
		heap.Push(&s.pairs, p)
	}
	s.taken = s.taken[:0]
}

// pairs implements heap.Interface.
type pairs []pair

func (p pairs) Len() int { return len(p) }
func (p pairs) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(p[i].at, p[j].at), cmp.Compare(p[i].key, p[j].key)) < 0
}
func (p pairs) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *pairs) Push(x any)   { *p = append(*p, x.(pair)) } //nolint:forcetypeassert // only Schedule pushes
func (p *pairs) Pop() any {
	old := *p
	last := old[len(old)-1]
	*p = old[:len(old)-1]
	return last
}
