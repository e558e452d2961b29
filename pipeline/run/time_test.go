package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/pipeline"
)

// alarmStage rings once for every record, when time has passed 200 ms beyond it. What is
// set and not rung is its state.
type alarmStage struct {
	due, before []pipeline.Millis
	changed     bool
}

var _ pipeline.Stateful = (*alarmStage)(nil)

func (s *alarmStage) touch() {
	if !s.changed {
		s.before, s.changed = append([]pipeline.Millis(nil), s.due...), true
	}
}

func (s *alarmStage) Process(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		s.touch()
		s.due = append(s.due, b.In[i].Time.Add(200*time.Millisecond))
	}
	return nil
}

func (s *alarmStage) Tick(_ context.Context, now pipeline.Millis, b *pipeline.Batch) error {
	for len(s.due) > 0 && s.due[0] <= now {
		s.touch()
		b.Emit(pipeline.Message{Topic: "out", Key: []byte("a"), Value: fmt.Appendf(nil, "ring %d", s.due[0])})
		s.due = s.due[1:]
	}
	return nil
}

func (s *alarmStage) AppendDelta(dst []byte) []byte {
	if !s.changed {
		return dst
	}
	dst = append(dst, '=')
	for _, at := range s.due {
		dst = binary.BigEndian.AppendUint64(dst, uint64(at))
	}
	return dst
}

func (s *alarmStage) Commit() { s.changed = false }

func (s *alarmStage) Rollback() {
	if s.changed {
		s.due, s.changed = s.before, false
	}
}

func (s *alarmStage) Snapshot(emit func([]byte) error) error {
	s.changed = true
	defer func() { s.changed = false }()
	return emit(s.AppendDelta(nil))
}

func (s *alarmStage) Restore(piece []byte) error {
	s.due = nil
	for p := piece[1:]; len(p) >= 8; p = p[8:] {
		s.due = append(s.due, pipeline.Millis(binary.BigEndian.Uint64(p)))
	}
	return nil
}

func (s *alarmStage) StateBytes() int { return 1000 * len(s.due) }

func alarmFactory(string, int32) (pipeline.Stage, error) { return &alarmStage{}, nil }

func TestTimePassesOnAnIdlePartitionAndOverARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	c := r.config("w1")
	c.New = alarmFactory
	c.SnapshotBytes = 1
	r.produce("a one", "b two")
	l := r.start(c)
	r.drained(l)
	l.stop(t) // most likely before anything rings: the alarms are in the state
	l = r.start(c)
	eventually(t, func() string {
		if n := len(flat(r.read("out"))); n < 2 {
			return fmt.Sprintf("%d alarms rang, want 2", n)
		}
		return ""
	})
	l.stop(t)
	l = r.start(c)
	sleep(t.Context(), 300*time.Millisecond)
	l.stop(t)
	if got := flat(r.read("out")); len(got) != 2 {
		t.Errorf("got %v, want each alarm to ring once", got)
	}
}

func TestPartitionOverItsBudgetIsPausedAndGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	c := r.config("w1")
	c.New = alarmFactory
	c.PartitionBytes = 20_000 // twenty alarms
	c.MaxRecords, c.MaxBatch = 10, 10
	r.produce(lines(0, 100, 3)...)
	l := r.start(c)
	sleep(t.Context(), 150*time.Millisecond)
	if n := l.Stats().Read; n > 60 {
		t.Errorf("%d records were read in 150 ms, want the partition paused at about 20", n)
	}
	r.drained(l)
	eventually(t, func() string {
		if n := len(flat(r.read("out"))); n < 100 {
			return fmt.Sprintf("%d alarms rang, want 100", n)
		}
		return ""
	})
}

// punctual is a stage that notes when time passed before it had the records that wait.
type punctual struct {
	*tallyStage
	records, early *atomic.Int64
}

func (p punctual) Process(ctx context.Context, b *pipeline.Batch) error {
	p.records.Add(int64(len(b.In)))
	return p.tallyStage.Process(ctx, b)
}

func (p punctual) Tick(_ context.Context, _ pipeline.Millis, b *pipeline.Batch) error {
	if len(b.In) == 0 && p.records.Load() == 0 {
		p.early.Add(1)
	}
	return nil
}

// TestTimeDoesNotPassBeforeWhatWaitsIsRead has fetches that take far longer than TickEvery:
// a lane that comes back must not take its partition for idle meanwhile.
func TestTimeDoesNotPassBeforeWhatWaitsIsRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.produce("k v1", "k v2")
	// What comes behind the records is nothing to read: an aborted one and its marker.
	cl, err := r.k.client(kgo.TransactionalID("other"), kgo.DefaultProduceTopic(r.k.Topic("in")))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := errors.Join(cl.BeginTransaction(), cl.ProduceSync(t.Context(), kgo.StringRecord("aborted")).FirstErr(), cl.EndTransaction(t.Context(), kgo.TryAbort)); err != nil {
		t.Fatal(err)
	}
	var slow atomic.Int64
	slow.Store(3)
	r.cluster().ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster().KeepControl()
		if slow.Add(-1) >= 0 {
			time.Sleep(200 * time.Millisecond)
		}
		return nil, nil, false
	})
	c := r.config("w1")
	c.TickEvery = 10 * time.Millisecond
	var records, early atomic.Int64
	var ticked atomic.Bool
	c.New = func(string, int32) (pipeline.Stage, error) {
		return ticking{punctual{newTally(), &records, &early}, &ticked}, nil
	}
	l := r.start(c)
	r.drained(l)
	if n := early.Load(); n > 0 {
		t.Errorf("time passed %d times before the waiting records were read", n)
	}
	ticked.Store(false)
	eventually(t, func() string {
		if !ticked.Load() {
			return "no time passes on a partition that is read to its end"
		}
		return ""
	})
}

// ticking notes that time passed without records.
type ticking struct {
	punctual
	ticked *atomic.Bool
}

func (s ticking) Tick(ctx context.Context, now pipeline.Millis, b *pipeline.Batch) error {
	if len(b.In) == 0 {
		s.ticked.Store(true)
	}
	return s.punctual.Tick(ctx, now, b)
}
