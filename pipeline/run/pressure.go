package run

import "time"

// relieve pauses the input of partitions that take too much memory and lets others go on.
// Pausing is the last resort: a stage that can forget, such as dedupe, keeps to a budget of
// its own below this one and never gets here.
func (s *session) relieve(touched []*touch) {
	for _, u := range touched {
		s.relieveOne(u.part)
	}
}

func (s *session) relieveOne(p *part) {
	c := &s.l.cfg
	_, pending := p.inbox.counts()
	bytes := p.memory()
	high := bytes >= c.PartitionBytes || pending >= c.MaxCalls
	low := bytes < c.PartitionBytes/4*3 && pending <= c.MaxCalls/4*3
	id := map[string][]int32{p.id.topic: {p.id.partition}}
	switch {
	case high && !p.paused:
		p.paused = true
		s.gts.Client().PauseFetchPartitions(id)
		s.l.log.Warn("partition paused", "topic", p.topic, "partition", p.id.partition, "bytes", bytes, "calls", pending)
		s.l.m.paused.WithLabelValues(s.l.cfg.Stage, s.l.label).Inc()
	case low && p.paused:
		s.unpause(p)
	}
}

func (s *session) unpause(p *part) {
	p.paused = false
	s.gts.Client().ResumeFetchPartitions(map[string][]int32{p.id.topic: {p.id.partition}})
	s.l.m.paused.WithLabelValues(s.l.cfg.Stage, s.l.label).Dec()
}

// measure looks at all partitions, as nothing else would look at a paused one.
func (s *session) measure() {
	var parts []*part
	s.eachPart(func(p *part) { parts = append(parts, p) })
	total := int64(0)
	for _, p := range parts {
		total += p.memory()
		s.relieveOne(p)
	}
	s.l.m.stateBytes.WithLabelValues(s.l.cfg.Stage, s.l.label).Set(float64(total))
	s.measureWait(time.Now())
}

// measureWait says when partitions wait for longer than a transaction of a dead worker may
// stay open. A large state can take as long, too.
func (s *session) measureWait(now time.Time) {
	n, longest := s.waitsFor(now)
	s.l.m.waiting.WithLabelValues(s.l.cfg.Stage, s.l.label).Set(float64(n))
	if most := 2 * s.l.cfg.TransactionTimeout; longest < most || now.Sub(s.warnedAt) < most {
		return
	}
	s.warnedAt = now
	s.l.log.Warn("partitions are assigned and not served yet: their state is being read, or a transaction hangs in __consumer_offsets",
		"partitions", n, "for", longest.Round(time.Second))
}
