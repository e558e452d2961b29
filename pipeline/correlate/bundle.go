package correlate

import (
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// bundle is the alerts of one incident group that wait to be told together, or the memory
// that the group was told of not long ago.
type bundle struct {
	next     pipeline.Millis // when the group is told, or forgotten if nothing waits: broker time
	interval pipeline.Millis // from one telling to the next; 0: a group is told once
	waiting  []waiter
}

// waiter names an alert that waits.
type waiter struct {
	rule, key string
	alert     pipeline.ID
}

// maxWaiting is how many alerts wait in a group; with one more it is told at once.
const maxWaiting = 1000

func bundleText(tenant, group string) string { return tenant + "\x1f" + group }

func (b *bundle) clone() *bundle {
	c := *b
	return &c
}

func (b *bundle) size(text string) int {
	const fixedSize = 200
	n := fixedSize + 2*len(text)
	for i := range b.waiting {
		n += 64 + len(b.waiting[i].rule) + len(b.waiting[i].key)
	}
	return n
}

// present is the broker's time as far as the state knows it: that of the newest record,
// and while the partition idles that at which the watermark came to where it is.
func (s *Stage) present() pipeline.Millis { return s.presentAt(s.wm) }

func (s *Stage) presentAt(wm pipeline.Millis) pipeline.Millis {
	return s.newestAt + max(0, wm+s.lateness()-s.newest)
}

// urgent reports whether an alert never waits: somebody may have to be contained now.
func (s *Stage) urgent(a *pipeline.Alert) bool { return a.Severity >= s.cfg.Urgent }

// hold decides whether an alert that noise control let pass waits for others of its group,
// and until when.
func (s *Stage) hold(r *rule, k *key, x *session, a *pipeline.Alert) (until pipeline.Millis, waits bool) {
	route := s.cfg.route(a)
	if !r.loud || s.urgent(a) || route.GroupWait == 0 && route.GroupInterval == 0 {
		return 0, false
	}
	text := bundleText(k.tenant, x.told.group)
	b := s.bundles[text]
	if b == nil {
		b = &bundle{next: s.present(), interval: millisOf(route.GroupInterval)}
		if waits = route.GroupWait > 0; waits {
			b.next += millisOf(route.GroupWait)
		} else {
			b.next += b.interval
		}
	} else if len(b.waiting) >= maxWaiting {
		s.hurry(k, x)
		return 0, false
	} else {
		b, waits = b.clone(), true
	}
	if waits {
		b.waiting = append(slices.Clip(b.waiting), waiter{rule: r.id, key: k.text, alert: x.told.alert})
	}
	s.setBundle(text, b)
	return b.next, waits
}

func millisOf(d time.Duration) pipeline.Millis { return pipeline.Millis(d.Milliseconds()) }

// setBundle makes b the state of a group; nil forgets it.
func (s *Stage) setBundle(text string, b *bundle) {
	old := s.bundles[text]
	if _, done := s.undo.bundles[text]; !done {
		s.undo.bundles[text] = old
	}
	s.putBundle(text, old, b)
}

func (s *Stage) putBundle(text string, old, b *bundle) {
	tenant, _, _ := strings.Cut(text, "\x1f")
	if old != nil {
		s.book(tenant, -old.size(text))
	}
	if b == nil {
		delete(s.bundles, text)
		return
	}
	s.book(tenant, b.size(text))
	s.bundles[text] = b
	heap.Push(&s.waits, timer{at: b.next, key: text})
}

// fallDue tells the groups whose time has come by now, in the order of their times. As with
// other timers an entry of the heap is a hint that may be stale.
func (s *Stage) fallDue(out *outputs, now pipeline.Millis) {
	for len(s.waits) > 0 && s.waits[0].at <= now {
		t, _ := heap.Pop(&s.waits).(timer)
		if b := s.bundles[t.key]; b != nil && b.next == t.at {
			s.tell(out, t.key, b.next)
		}
	}
}

// tell tells the alerts of a group that wait, at a time. A group of which nothing waits is
// forgotten, and so is one that has no interval.
func (s *Stage) tell(out *outputs, text string, at pipeline.Millis) {
	b := s.bundles[text]
	waiting := b.waiting
	if len(waiting) == 0 || b.interval == 0 {
		s.setBundle(text, nil)
	} else {
		s.setBundle(text, &bundle{next: at + b.interval, interval: b.interval})
	}
	for i := range waiting {
		w := &waiting[i]
		r := s.rules[w.rule]
		if r == nil || s.find(r, []byte(w.key)) == nil {
			continue
		}
		k := s.touch(r, []byte(w.key))
		for j := range k.sessions {
			if x := &k.sessions[j]; x.told.alert == w.alert && x.told.fate == FateWaiting {
				s.release(out, r, k, x, fmt.Sprintf("one of %d that waited for each other", len(waiting)))
				s.settled(r, k)
			}
		}
	}
}

// release lets an alert that waited, or was kept from incidents, be judged once more, and
// tells what became of it.
func (s *Stage) release(out *outputs, r *rule, k *key, x *session, why string) {
	a := s.alert(r, k, x)
	a.ID = x.told.alert
	x.told.fate = FateIncident
	if fate, reason := s.suppressed(k, &a, x.last); fate != "" {
		x.told.fate, why = fate, reason
	}
	s.revise(out, r, k, x, &a, why)
}

// hurry lets the others of an urgent alert's group wait no longer than to the end of the
// transition at hand.
func (s *Stage) hurry(k *key, x *session) {
	if len(s.bundles) == 0 {
		return
	}
	text := bundleText(k.tenant, x.told.group)
	if b := s.bundles[text]; b != nil && len(b.waiting) > 0 && !slices.Contains(s.hurried, text) {
		s.hurried = append(s.hurried, text)
	}
}

func (w *writer) bundle(text string, b *bundle) {
	w.byte(entryBundle)
	w.text(text)
	if b == nil {
		b = &bundle{}
	}
	w.millis(b.next)
	w.millis(b.interval)
	w.uint(uint64(len(b.waiting)))
	for i := range b.waiting {
		w.text(b.waiting[i].rule)
		w.text(b.waiting[i].key)
		w.id(b.waiting[i].alert)
	}
}

// restoreBundle reads what writer.bundle wrote; one without a time is gone.
func (s *Stage) restoreBundle(r *reader) {
	text := r.text()
	b := &bundle{next: r.millis(), interval: r.millis()}
	const least = 18 // bytes of a waiter
	b.waiting = make([]waiter, r.count(least))
	for i := range b.waiting {
		b.waiting[i] = waiter{rule: r.text(), key: r.text(), alert: r.id()}
	}
	switch {
	case r.bad:
	case b.next == 0:
		s.putBundle(text, s.bundles[text], nil)
	default:
		s.putBundle(text, s.bundles[text], b)
	}
}

// committedBundles returns the groups as of the last Commit.
func (s *Stage) committedBundles() map[string]*bundle {
	if len(s.undo.bundles) == 0 {
		return s.bundles
	}
	bundles := maps.Clone(s.bundles)
	for text, old := range s.undo.bundles {
		delete(bundles, text)
		if old != nil {
			bundles[text] = old
		}
	}
	return bundles
}
