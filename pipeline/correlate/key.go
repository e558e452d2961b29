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
	slack pipeline.Millis // how much later than others its signals may come, see Set.slack
	loud  bool            // its alerts are told; otherwise they only feed other correlations
	keys  map[string]*key // by their text, without those in packs; see Stage.find
	packs packs
	storm storm
	bytes int

	window  int    // bytes of a session's window, see windowSize
	meaning uint64 // see Correlation.meaning
}

// key is the state of one rule for one group of values of one tenant.
type key struct {
	text   string // tenant and group, see appendKeyText
	tenant string
	group  []string
	// sessions are in the order of time and do not touch each other.
	sessions []session
	// pending are the marks of a condition that is judged when the watermark has passed.
	pending []mark
	approx  bool            // signals that waited were forgotten
	waiting int             // bytes of the values and notes of pending
	due     pipeline.Millis // of its entry in the timers; 0: none
	bytes   int
}

// appendKeyText appends the text of a key in the maps of rules, and in the state. The
// separator is taken out of the values, so that two groups never look alike.
func appendKeyText(dst []byte, tenant string, group []string) []byte {
	dst = append(dst, tenant...)
	for _, v := range group {
		dst = append(dst, 0x1f)
		if strings.IndexByte(v, 0x1f) >= 0 {
			v = strings.ReplaceAll(v, "\x1f", "\u241f")
		}
		dst = append(dst, v...)
	}
	return dst
}

func newKey(text string) *key {
	parts := strings.Split(text, "\x1f")
	return &key{text: text, tenant: parts[0], group: parts[1:]}
}

// groupText is the text of the key without its tenant.
func (k *key) groupText() string { return k.text[len(k.tenant):] }

// fallsDue is when time alone next changes the key, as the watermark of the partition.
func (k *key) fallsDue(r *rule) pipeline.Millis {
	if due := k.deadline(r); due != 0 {
		return due + r.slack
	}
	return 0
}

// clone returns a copy for taking changes back. Marks are shared.
func (k *key) clone() *key {
	c := *k
	c.sessions = slices.Clone(k.sessions)
	for i := range c.sessions {
		c.sessions[i].sk = c.sessions[i].sk.clone()
	}
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

// deadline is when time alone next changes the key, as the rule's own watermark; 0: never.
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
func (k *key) size(r *rule) int {
	const fixedSize = 240 // struct, map bucket, timer
	n := fixedSize + 2*len(k.text) + listSize(len(k.pending)) + k.waiting
	for i := range k.sessions {
		n += k.sessions[i].size() + r.window
	}
	return n
}
