package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// How old the oldest record may be that ingest has not read. Beyond strainedAt nobody is
// killed until it is below calmAt: were it to come near the lateness, then what comes late
// would be the harness's fault and nothing could be said about episodes.
const (
	strainedAt = 15 * time.Second
	calmAt     = 5 * time.Second
)

// lag knows how old the oldest unread record of each raw partition is.
type lag struct {
	seen map[int32][]sample
}

// sample says that a partition ended at end at some time.
type sample struct {
	at  time.Time
	end int64
}

// age takes note of where the partitions end and how far they are read, and returns the age
// of the oldest unread record.
func (l *lag) age(now time.Time, ends, read map[int32]int64) (oldest time.Duration) {
	for p, end := range ends {
		have := append(l.seen[p], sample{now, end})
		for len(have) > 0 && have[0].end <= read[p] {
			have = have[1:]
		}
		l.seen[p] = have
		if len(have) > 0 {
			oldest = max(oldest, now.Sub(have[0].at))
		}
	}
	return oldest
}

// watchLag holds fire while ingest is behind.
func (s *stack) watchLag(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.brokers.addrs()...))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	l := lag{seen: map[int32][]sample{}}
	for pause(ctx, 500*time.Millisecond) == nil {
		ends, read, err := offsets(ctx, adm)
		if err != nil {
			continue // the broker is away: time passes, as the next sample will tell
		}
		age := l.age(time.Now(), ends, read)
		s.behind.Store(max(s.behind.Load(), int64(age)))
		switch {
		case age > strainedAt:
			s.strained.Store(true)
		case age < calmAt:
			s.strained.Store(false)
		}
	}
	return nil
}

// offsets returns where the raw partitions end, and how far ingest has committed.
func offsets(ctx context.Context, adm *kadm.Client) (ends, read map[int32]int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	listed, err := adm.ListEndOffsets(ctx, rawTopic)
	if err != nil {
		return nil, nil, err
	}
	committed, err := adm.FetchOffsets(ctx, "ingest")
	if err != nil {
		return nil, nil, err
	}
	ends, read = map[int32]int64{}, map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	for p, o := range committed[rawTopic] {
		read[p] = o.At
	}
	return ends, read, nil
}

// calm waits until ingest is not behind.
func (s *stack) calm(ctx context.Context) error {
	for s.strained.Load() {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
