package run

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A record can end the process: a stack that overflows, memory that runs out. No error comes
// of it and nobody is left to count, so a lane says beforehand, outside of any transaction,
// which records of a partition it is about to process first: a probe. Where a later life
// finds a probe of which nothing is committed, the one before died of these records or beside
// them.
//
// Then they are processed in smaller pieces, alone, each with a probe of its own that says
// afterwards that the process survived it. The next life cuts the piece that ended this one;
// a single record that did so three times is rejected. What ends a process otherwise, between
// two pieces, blames nobody.
//
// Where no process dies this costs a request to read and one to write for each assignment.
// All of it fails open: without probes nothing is found, but everything else works.

// probe says which records of a partition are processed at the moment.
type probe struct {
	from int64 // offset of the first
	to   int64 // behind the last
	size int64 // records in it, at most
	end  int64 // all that is suspected lies before it
	// alone: nothing else was processed in the process. Only then may a single record be
	// blamed.
	alone    bool
	survived bool   // the stage returned, with an error or without
	deaths   int    // how often a process died of it, which is a single record
	life     string // of the process
}

// split is into how many pieces a probe is cut that ended the process: of 512 records one is
// alone in the fourth life.
const split = 16

// thisLife tells the lives of all processes apart.
var thisLife = rand.Text()[:8]

const probeFormat = "to=%d size=%d end=%d alone=%t survived=%t deaths=%d life=%s"

func (x probe) String() string {
	return fmt.Sprintf(probeFormat, x.to, x.size, x.end, x.alone, x.survived, x.deaths, x.life)
}

// parseProbe reads what String wrote. Other text is no probe.
func parseProbe(from int64, text string) (probe, bool) {
	x := probe{from: from}
	_, err := fmt.Sscanf(text, probeFormat, &x.to, &x.size, &x.end, &x.alone, &x.survived, &x.deaths, &x.life)
	return x, err == nil && x.from < x.to && x.to <= x.end && x.size > 0 && x.deaths >= 0
}

// resumed returns how another life goes on after x, beginning at next. It returns false if
// nothing is suspected.
func (x probe) resumed(life string, next int64) (probe, bool) {
	if next < x.from || next >= x.end {
		return probe{}, false // passed, or of another topic with that name
	}
	died := x.life != life && !x.survived
	if !x.alone && (next > x.from || !died) {
		return probe{}, false
	}
	again := probe{from: next, size: x.size, end: x.end, alone: true}
	switch {
	case next > x.from: // it is committed, the process died behind it
	case !died:
		again.deaths = x.deaths
	case x.size > 1 || !x.alone:
		again.size, again.end = max(1, x.size/split), x.to
	default:
		again.deaths = x.deaths + 1
	}
	return again, true
}

// guilty reports whether the probe is of a record that ended the process too often.
func (x probe) guilty() bool { return x.size == 1 && x.deaths >= maxTries }

// probes is the group whose committed offsets are the probes of a stage. It has no members.
func probes(k Kafka, stage string) string { return Group(k, stage) + ".probes" }

// probePatience bounds each request about probes, and how long a lane waits to be alone.
const probePatience = 2 * time.Second

// findSuspects looks for probes that ended a process on partitions that were just assigned.
func (s *session) findSuspects(ctx context.Context, fresh map[tp]*part) {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	found, err := s.adm.FetchOffsets(ctx, probes(s.l.cfg.Kafka, s.l.cfg.Stage))
	if err != nil {
		if !errors.Is(err, kerr.GroupIDNotFound) { // nobody told any yet
			s.l.log.Warn("probes cannot be read: a record that ends the process is not found", "err", err)
		}
		return
	}
	for id, p := range fresh {
		at, ok := found.Lookup(id.topic, id.partition)
		if !ok || at.Err != nil {
			continue
		}
		last, ok := parseProbe(at.At, at.Metadata)
		if !ok {
			continue
		}
		if p.probe, p.suspect = last.resumed(s.l.life, p.next); p.suspect {
			s.l.log.Warn("a worker died in the midst of these records: they are processed in pieces, alone", "topic", p.topic,
				"partition", id.partition, "offset", p.next, "before", p.probe.end, "records", p.probe.size, "deaths", p.probe.deaths)
		}
	}
}

// solitude is held by a lane that processes suspects, and shared by those that process
// anything else. It is the process's: a process dies as a whole.
var solitude sync.RWMutex

// aloneSoon takes solitude, if that is possible soon. It does not queue for it: all lanes
// would wait then for the slowest.
func aloneSoon(ctx context.Context) bool {
	for deadline := time.Now().Add(probePatience); !solitude.TryLock(); {
		if time.Now().After(deadline) || !sleep(ctx, time.Millisecond) {
			return false
		}
	}
	return true
}

// beside runs f, which may make the process end, while no lane is alone.
func (t *txn) beside(f func() error) error {
	if !t.alone {
		solitude.RLock()
		defer solitude.RUnlock()
	}
	return guard(f)
}

// probe says which records of a poll are about to be processed, where that is wanted: the
// first ones of a partition, and those of a suspect. The latter end their transaction, and
// nothing else is processed until survived is called, which must be after they were.
func (t *txn) probe(ctx context.Context, fetches kgo.Fetches) (survived func()) {
	s := t.s
	var probed []*part
	suspect := false
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		p := s.find(tp{f.Topic, f.Partition})
		if p == nil || len(f.Records) == 0 || p.probed && !p.suspect {
			return
		}
		x, n := &p.probe, int64(len(f.Records))
		if !p.suspect {
			*x = probe{}
		}
		if n > x.size { // of a suspect: it was assigned after the poll began
			x.size, x.deaths = n, 0
		}
		x.from, x.to, x.life, x.survived = p.next, f.Records[n-1].Offset+1, s.l.life, false
		x.end = max(x.end, x.to)
		probed, suspect = append(probed, p), suspect || p.suspect
	})
	if len(probed) == 0 {
		return func() {}
	}
	t.full = t.full || suspect
	t.alone = suspect && aloneSoon(ctx)
	for _, p := range probed {
		p.probe.alone, p.probed = t.alone, true
	}
	s.tell(ctx, probed)
	return func() {
		if !t.alone {
			return
		}
		for _, p := range probed {
			p.probe.survived = true
		}
		s.tell(context.WithoutCancel(ctx), probed) // that it is time to end is no death
		t.alone = false
		solitude.Unlock()
	}
}

// tell writes the probes of partitions.
func (s *session) tell(ctx context.Context, ps []*part) {
	var at kadm.Offsets
	for _, p := range ps {
		at.Add(kadm.Offset{Topic: p.id.topic, Partition: p.id.partition, At: p.probe.from, LeaderEpoch: -1, Metadata: p.probe.String()})
	}
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	answer, err := s.adm.CommitOffsets(ctx, probes(s.l.cfg.Kafka, s.l.cfg.Stage), at)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		s.l.log.Warn("probes cannot be written: a record that ends the process is not found", "err", err)
	}
}

// condemn rejects a record that ended the process too often.
func (t *txn) condemn(u *touch, r *kgo.Record) {
	p := u.part
	why := fmt.Errorf("the process ended %d times while it processed this record", p.probe.deaths)
	t.s.l.log.Error("poison record rejected", "topic", p.topic, "partition", p.id.partition, "offset", r.Offset, "err", why)
	t.accept(u, t.s.rejected(p, r, why), []*kgo.Record{r})
}

// outlived notes that a transaction of the partition is committed.
func (p *part) outlived() {
	if p.suspect && p.next > p.probe.from {
		p.probe.deaths = 0
		p.suspect = p.next < p.probe.end
		p.probed = p.suspect // what comes behind may end the process too
	}
}
