package correlate

import (
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// A first_seen correlation keeps one key per group and value, whose session lasts as long
// as the value is remembered: an episode is a value that comes after a timespan without
// it. One more key per group, without a value, remembers since when the group is known.

// learn books m on the group's own key.
func (s *Stage) learn(r *rule, text []byte, m mark) {
	k := s.touch(r, text)
	from, to := k.near(m.at, r.span)
	k.sessions = slices.Clone(k.sessions)
	if from == to {
		k.sessions = slices.Insert(k.sessions, from, session{first: m.at, last: m.at, trig: -1})
		to++
	}
	x := &k.sessions[from]
	x.first, x.last = min(x.first, m.at), max(x.last, m.at)
	if to-from > 1 {
		x.last = max(x.last, k.sessions[to-1].last)
		k.sessions = slices.Delete(k.sessions, from+1, to)
	}
	s.settled(r, k)
}

// learning reports whether the session's trigger falls into the time in which its group
// only learns what is normal.
func (s *Stage) learning(r *rule, k *key, x *session) bool {
	if r.c.Type != FirstSeen || r.c.Learning == 0 {
		return false
	}
	own := s.find(r, appendKeyText(nil, k.tenant, k.group[:len(k.group)-len(r.c.Fields)]))
	if own == nil {
		return false
	}
	from, to := own.near(x.trigger.at, r.span)
	return from < to && x.trigger.at < own.sessions[from].first+pipeline.Millis(r.c.Learning.Milliseconds())
}
