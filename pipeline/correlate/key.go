package correlate

import (
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// rule is a correlation at work, or a detection by itself.
type rule struct {
	id    string
	c     *Correlation
	span  pipeline.Millis
	loud  bool // its alerts are told; otherwise they only feed other correlations
	keys  map[string]*key
	storm storm
	bytes int
}

// key is the state of one rule for one group of values of one tenant.
type key struct {
	tenant string
	group  []string
	// sessions are in the order of time and do not touch each other.
	sessions []session
	// pending are the marks of a condition that is judged when the watermark has passed.
	pending []mark
	due     pipeline.Millis // of its entry in the timers; 0: none
	bytes   int
}

// keyText is the text of a key in the maps of rules, and in the state.
func keyText(tenant string, group []string) string {
	return string(pipeline.AppendKey(nil, slices.Concat([]string{tenant}, group)...))
}

func splitKey(text string) (tenant string, group []string) {
	parts := strings.Split(text, "\x1f")
	return parts[0], parts[1:]
}

// clone returns a copy for taking changes back. Marks are shared.
func (k *key) clone() *key {
	c := *k
	c.sessions = slices.Clone(k.sessions)
	return &c
}

// near returns the range of the sessions that a signal at the time at belongs to: none, one,
// or two that it joins.
func (k *key) near(at, span pipeline.Millis) (from, to int) {
	for from < len(k.sessions) && k.sessions[from].last+span < at {
		from++
	}
	to = from
	for to < len(k.sessions) && k.sessions[to].first-span <= at {
		to++
	}
	return from, to
}

// deadline is when time alone next changes the key; 0: never.
func (k *key) deadline(r *rule) pipeline.Millis {
	var due pipeline.Millis
	for i := range k.sessions {
		x := &k.sessions[i]
		if end := max(x.last+r.span, x.held); due == 0 || end < due {
			due = end
		}
	}
	if len(k.pending) > 0 {
		if end := k.pending[0].at + r.span; due == 0 || end < due {
			due = end
		}
	}
	return due
}

// size estimates the key's memory in bytes.
func (k *key) size(text string) int {
	const fixedSize = 220 // struct, map bucket, timer
	n := fixedSize + 3*len(text) + cap(k.pending)*markSize
	for i := range k.sessions {
		n += k.sessions[i].size()
	}
	for i := range k.pending {
		n += len(k.pending[i].value)
		if i == 0 || k.pending[i].note != k.pending[i-1].note {
			n += k.pending[i].note.size()
		}
	}
	return n
}
