package correlate

import (
	"maps"
	"slices"
	"sort"

	"github.com/riposte-sec/riposte/pipeline"
)

// liveness knows when signals of a source were seen in this partition: per tenant and
// source the minutes, sorted, that had one. It tells a silent user from a silent source.
type liveness map[string][]int64

// minutesKept is how many minutes are remembered per source: one day.
const minutesKept = 24 * 60

func minute(at pipeline.Millis) int64 { return int64(at) / 60_000 }

// saw records a signal. What is a day older than the newest is forgotten. Lists are
// replaced or appended to, never changed in place: a clone shares them.
func (l liveness) saw(tenant, source string, at pipeline.Millis) {
	key := tenant + "\x1f" + source
	ms, m := l[key], minute(at)
	i, found := slices.BinarySearch(ms, m)
	if found {
		return
	}
	if i == len(ms) {
		ms = append(ms, m)
	} else {
		ms = slices.Insert(slices.Clone(ms), i, m)
	}
	if old := ms[len(ms)-1] - minutesKept; ms[0] < old {
		ms = ms[sort.Search(len(ms), func(i int) bool { return ms[i] >= old }):]
	}
	l[key] = ms
}

// between reports whether the source was seen from one time to the other, to the minute.
func (l liveness) between(tenant, source string, from, to pipeline.Millis) bool {
	ms := l[tenant+"\x1f"+source]
	i, _ := slices.BinarySearch(ms, minute(from))
	return i < len(ms) && ms[i] <= minute(to)
}

func (l liveness) clone() liveness { return maps.Clone(l) }

// silentGroup is the group of the alert that tells of a silent source.
const silentGroup = "source silent"

// absent tells that m was not followed until deadline, the event time that completed the
// condition. If the awaited source is silent it is the source that is missing: that is one
// alert for all groups.
func (s *Stage) absent(out *outputs, r *rule, k *key, m mark, deadline pipeline.Millis) {
	trigger := m
	trigger.at = deadline
	alive := deadline - pipeline.Millis(r.c.Alive.Milliseconds())
	if r.c.Source == "" || s.alive.between(k.tenant, r.c.Source, alive, deadline) {
		s.episode(out, r, k, []mark{m}, trigger)
		return
	}
	silent := s.touch(r, appendKeyText(nil, k.tenant, []string{silentGroup}))
	s.episode(out, r, silent, []mark{m}, trigger)
	s.settled(r, silent)
}
