package correlate

import (
	"container/heap"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// timer is a hint that a key may have something to do at a time. Hints can be stale: what
// is due is decided by the key alone, so the heap needs no undo.
type timer struct {
	at   pipeline.Millis
	rule string
	key  string // empty: some key of a pack, see Stage.unpackDue
}

type timers []timer

// Len implements heap.Interface.
func (t timers) Len() int { return len(t) }

// Less implements heap.Interface: equal times are in the order of rule and key, so that
// what falls due together has one order.
func (t timers) Less(i, j int) bool {
	if t[i].at != t[j].at {
		return t[i].at < t[j].at
	}
	if c := strings.Compare(t[i].rule, t[j].rule); c != 0 {
		return c < 0
	}
	return t[i].key < t[j].key
}

// Swap implements heap.Interface.
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }

// Push implements heap.Interface.
func (t *timers) Push(x any) { *t = append(*t, x.(timer)) } //nolint:forcetypeassert // heap.Push below

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	old := *t
	x := old[len(old)-1]
	*t = old[:len(old)-1]
	return x
}

// schedule makes sure that k is looked at when it has something to do.
func (s *Stage) schedule(r *rule, k *key) {
	due := k.fallsDue(r)
	if due == 0 || k.due != 0 && k.due <= due {
		return // the hint that is there comes first and is renewed then
	}
	k.due = due
	s.addTimer(timer{at: due, rule: r.id, key: k.text})
}

// addTimer adds a hint. While a state is restored they are not in order, see heapTimers.
func (s *Stage) addTimer(t timer) {
	if s.heaped {
		heap.Push(&s.timers, t)
	} else {
		s.timers = append(s.timers, t)
	}
}

// heapTimers puts the hints in order.
func (s *Stage) heapTimers() {
	if !s.heaped {
		heap.Init(&s.timers)
		s.heaped = true
	}
}

// pass lets the watermark move to wm and does what falls due, in the order of the
// deadlines. A deadline is over when the watermark is greater, because a signal at the
// watermark itself is not late. The watermark stops at each deadline, so that it makes no
// difference in how many steps it goes.
func (s *Stage) pass(out *outputs, wm pipeline.Millis) {
	if s.warms != nil {
		wm = min(wm, s.warms.until)
	}
	if wm <= s.wm {
		return
	}
	s.undo.clocks(s)
	s.moved = true
	s.heapTimers()
	for len(s.timers) > 0 && s.timers[0].at < wm {
		s.fallDue(out, s.presentAt(max(s.wm, s.timers[0].at+1)))
		t, _ := heap.Pop(&s.timers).(timer)
		s.wm = max(s.wm, t.at+1)
		r := s.rules[t.rule]
		if r == nil {
			continue
		}
		if t.key == "" {
			s.unpackDue(r, t.at)
			continue
		}
		k := r.keys[t.key]
		if k == nil || k.due != t.at {
			continue
		}
		if due := k.fallsDue(r); due > t.at {
			k.due = 0
			s.schedule(r, k)
			continue
		}
		k = s.touch(r, []byte(t.key))
		k.due = 0
		s.expire(out, r, k)
		s.settled(r, k)
		s.drain(out)
	}
	s.wm = wm
}
