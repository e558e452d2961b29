package correlate

import (
	"maps"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// undo is what the state was at the last commit, as far as it changed since.
type undo struct {
	keys    map[string]map[string]*key // by rule and key; nil: there was none
	storms  map[string]storm
	bundles map[string]*bundle // nil: there was none
	raised  map[string]raisedAlerts
	saved   bool // the clocks below are set
	wm      pipeline.Millis
	newest  pipeline.Millis
	at      pipeline.Millis
	alive   liveness
}

func (u *undo) reset() {
	*u = undo{keys: map[string]map[string]*key{}, storms: map[string]storm{}, bundles: map[string]*bundle{}, raised: map[string]raisedAlerts{}}
}

// clocks saves the clocks before the first change of a transaction.
func (u *undo) clocks(s *Stage) {
	if !u.saved {
		u.saved, u.wm, u.newest, u.at, u.alive = true, s.wm, s.newest, s.newestAt, s.alive.clone()
	}
}

// touch returns the key to be changed, a new one if there is none.
func (s *Stage) touch(r *rule, text []byte) *key {
	k := s.find(r, text)
	m := s.undo.keys[r.id]
	if m == nil {
		m = map[string]*key{}
		s.undo.keys[r.id] = m
	}
	if k == nil {
		k = newKey(string(text))
		r.keys[k.text] = k
		if _, done := m[k.text]; !done {
			m[k.text] = nil
		}
		return k
	}
	if _, done := m[k.text]; !done {
		m[k.text] = k.clone()
	}
	return k
}

// Commit makes the changes since the last one final.
func (s *Stage) Commit() {
	s.settle()
	s.served = s.serves
}

// settle forgets how to take back changes.
func (s *Stage) settle() {
	s.undo.reset()
	s.moved = false
}

// Rollback takes back the changes since the last Commit. Windows are built anew when they
// are needed, timers are hints and need only be there.
func (s *Stage) Rollback() {
	for _, id := range slices.Sorted(maps.Keys(s.undo.keys)) {
		r := s.rules[id]
		for text, old := range s.undo.keys[id] {
			if now := r.keys[text]; now != nil {
				s.weigh(r, now, 0)
				delete(r.keys, text)
			}
			if old != nil {
				s.putBack(r, old)
			}
		}
	}
	for id, st := range s.undo.storms {
		s.rules[id].storm = st
	}
	for rule, old := range s.undo.raised {
		s.putRaised(rule, old)
	}
	for text, old := range s.undo.bundles {
		s.putBundle(text, s.bundles[text], old)
	}
	if s.undo.saved {
		s.wm, s.newest, s.newestAt, s.alive = s.undo.wm, s.undo.newest, s.undo.at, s.undo.alive
	}
	s.settle()
}

// putBack makes k the key's state and books it.
func (s *Stage) putBack(r *rule, k *key) {
	for i := range k.sessions {
		k.sessions[i].win, k.sessions[i].weighed = nil, -1
	}
	r.keys[k.text] = k
	k.bytes, k.due, k.waiting = 0, 0, contentOf(k.pending)
	s.weigh(r, k, k.size(r))
	s.schedule(r, k)
}
