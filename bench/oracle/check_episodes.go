package oracle

import (
	"slices"
	"strings"
)

// over are the fates of alerts that stand for no episode of their own: taken back, or part
// of another one.
var over = []string{"withdrawn", "folded"}

// episodes checks that the alerts of each correlation, as their last revisions tell them,
// are the episodes that the records make: as multisets of rule, group, trigger and
// evidence.
func (j *judge) episodes() {
	want := map[string]int{}
	ours := map[string]bool{}
	for i := range j.expect.Correlations {
		c := &j.expect.Correlations[i]
		ours[c.ID] = true
		for _, e := range c.episodes(j.truth) {
			want[e.String()]++
			j.Episodes++
		}
	}
	for _, a := range j.last() {
		if !ours[a.Rule] || slices.Contains(over, a.Fate) {
			continue
		}
		e := Episode{Rule: a.Rule, Group: strings.Join(a.Group, ","), Trigger: j.signalOf[a.Trigger], Signals: a.Signals}
		for _, id := range a.Evidence {
			e.Evidence = append(e.Evidence, j.signalOf[id])
		}
		if want[e.String()]--; want[e.String()] < 0 {
			j.found(&j.EpisodesExtra, 1, "alert %v revision %d is no expected episode: %s (%s)", a.Position, a.Revision, e.String(), a.Fate)
		}
	}
	for e, n := range want {
		if n > 0 {
			j.found(&j.EpisodesMissing, n, "no alert tells the episode %s", e)
		}
	}
}

// last returns the last revision of each alert.
func (j *judge) last() map[string]*Alert {
	last := map[string]*Alert{}
	for i := range j.seen.Alerts {
		a := &j.seen.Alerts[i]
		if have := last[a.ID]; have == nil || a.Revision > have.Revision {
			last[a.ID] = a
		}
	}
	return last
}
