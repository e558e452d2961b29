package sample

import (
	"slices"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Story is an attack that the traffic contains again and again, and what riposte must make
// of it with the shipped policies.
type Story struct {
	Name  string
	Title string
	Text  string // what happens, in a few sentences
	// Sources see the attack.
	Sources []string
	// Detections must each match at least one event of every run (ids of policies/detections).
	Detections []string
	// Incidents must exist after every run.
	Incidents []Incident
	// write tells run n of the story.
	write func(s *script, n int)
}

// Incident is an incident that a story must lead to.
type Incident struct {
	// Entity is the kind of the entity that the incident is about; its value is among the
	// Subjects of the Run.
	Entity string
	// Detections are those whose signals carry it.
	Detections []string
	// Responses are the actions that must be wanted for it, such as "ip.block". Some of them
	// wait for a person, as playbook and guard say.
	Responses []string
}

// Stories returns the attacks that the traffic contains, in the order of their first start.
// The result is the caller's.
func Stories() []Story {
	s := slices.Clone(stories)
	for i := range s {
		s[i].Sources = slices.Clone(s[i].Sources)
		s[i].Detections = slices.Clone(s[i].Detections)
		s[i].Incidents = slices.Clone(s[i].Incidents)
	}
	return s
}

var stories = []Story{storySpray, storyBeacon, storyCloudKey, storyLateral, storyTunnel}

// script is one run of a story while it is being written.
type script struct {
	*pen
	gen   *Generator
	run   *Run
	at    time.Time // event time of what is written next
	steps []step
}

// writeScript writes the run of r's story that is due. It draws from a stream of its own,
// so that how a story goes does not depend on how busy the background is.
func writeScript(g *Generator, r *running, run *Run) []step {
	background := g.pen.r
	defer func() { g.pen.r = background }()
	g.pen.r = newSource(g.cfg.Seed^uint64(r.next.UnixNano()), uint64(r.count)<<32|hashName(r.story.Name))
	s := &script{pen: &g.pen, gen: g, run: run, at: r.next}
	r.story.write(s, int(r.count))
	run.Steps = len(s.steps)
	for _, st := range s.steps {
		if st.at.After(run.End) {
			run.End = st.at
		}
	}
	return s.steps
}

// hashName is FNV-1a in 32 bits.
func hashName(name string) uint64 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return uint64(h)
}

// happened takes what the pen wrote as the next step; it arrives up to delay after the
// event.
func (s *script) happened(delay time.Duration) {
	s.steps = append(s.steps, step{
		at: s.at.Add(time.Duration(s.r.Int64N(int64(delay)))), source: s.src, key: s.about,
		value: s.gen.keep(s.b), run: s.run,
	})
}

// wait lets between lo and hi pass before the next step.
func (s *script) wait(lo, hi time.Duration) {
	s.at = s.at.Add(lo + time.Duration(s.r.Int64N(int64(hi-lo)+1)))
}

// subject names an entity that the run is about.
func (s *script) subject(kind pipeline.EntityKind, value, role string) {
	s.run.Subjects = append(s.run.Subjects, pipeline.EntityValue{Kind: kind.String(), Value: value, Role: role})
}

// victim returns a user that the runs before n did not have, as long as there are any.
func (s *script) victim(n, offset int) *user {
	users := s.org.users
	return &users[(n*7+offset)%len(users)]
}
