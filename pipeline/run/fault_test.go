package run

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/pipeline"
)

// TestFaultsOfTheBrokerNeitherLoseNorDouble answers requests with errors, with some after
// doing what was asked, and wants the outputs exact.
func TestFaultsOfTheBrokerNeitherLoseNorDouble(t *testing.T) {
	t.Parallel()
	type fault struct {
		key  kmsg.Key
		errs []*kerr.Error
	}
	faults := []fault{
		{kmsg.Produce, []*kerr.Error{kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, kerr.NotLeaderForPartition, kerr.InvalidProducerEpoch, kerr.ConcurrentTransactions}},
		{kmsg.EndTxn, []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.ConcurrentTransactions, kerr.ProducerFenced, kerr.UnknownServerError, kerr.TransactionAbortable}},
		{kmsg.TxnOffsetCommit, []*kerr.Error{kerr.RequestTimedOut, kerr.NotCoordinator, kerr.UnstableOffsetCommit, kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.UnknownServerError}},
		{kmsg.InitProducerID, []*kerr.Error{kerr.NotCoordinator, kerr.ConcurrentTransactions}},
		{kmsg.OffsetFetch, []*kerr.Error{kerr.UnstableOffsetCommit, kerr.NotCoordinator}},
		{kmsg.Heartbeat, []*kerr.Error{kerr.RebalanceInProgress, kerr.UnknownMemberID, kerr.NotCoordinator}},
		{kmsg.Fetch, []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownServerError}},
		{kmsg.ListOffsets, []*kerr.Error{kerr.NotLeaderForPartition}},
	}
	for _, f := range faults {
		for _, e := range f.errs {
			t.Run(fmt.Sprintf("%s/%s", f.key.Name(), e.Message), func(t *testing.T) {
				t.Parallel()
				underFault(t, kfake.Fault{Keys: []kmsg.Key{f.key}, Err: e, Count: 3})
			})
		}
	}
}

// underFault runs a lane over two rounds of records, with the fault from the second on.
func underFault(t *testing.T, fault kfake.Fault) {
	t.Helper()
	r := newRig(t, 2)
	all := lines(0, 100, 9)
	r.produce(all...)
	l := r.start(r.config("w1"))
	r.drained(l)

	// Only what the lane does shall fail: the test's own clients have no such id or group,
	// and their requests name no transaction.
	group, topic := Group(r.k, "toy"), r.k.Topic("out")
	switch fault.Keys[0] {
	case kmsg.Produce:
		fault.Topic = topic
	case kmsg.EndTxn, kmsg.InitProducerID:
		fault.TxnID = group + "/w1/0"
	case kmsg.TxnOffsetCommit, kmsg.OffsetFetch, kmsg.Heartbeat:
		fault.Group = group
	case kmsg.Fetch:
		fault.Topic = r.k.Topic("in")
	case kmsg.ListOffsets:
		fault.Topic = r.k.Topic(StateTopic("toy", "in"))
	}
	h := r.cluster().Fault(fault)
	for i := range 5 {
		batch := lines(100+i*40, 140+i*40, 9)
		r.produce(batch...)
		all = append(all, batch...)
		time.Sleep(15 * time.Millisecond) // several transactions, so that several meet the fault
	}
	if k := fault.Keys[0]; k == kmsg.InitProducerID || k == kmsg.OffsetFetch || k == kmsg.ListOffsets {
		l.stop(t)
		l = r.start(r.config("w1"))
		batch := lines(300, 340, 9)
		r.produce(batch...)
		all = append(all, batch...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := h.Wait(ctx, 1); err != nil {
		t.Error("the fault was not met")
	}
	h.Remove()
	r.drained(l)
	equal(t, flat(r.read("out")), wantOut(all))
}

// TestFirstProduceOfATransactionDoesNotStall is what Apache Kafka 4 does: EndTxn answers
// before the markers are written, and the next produce meets the transaction that is about
// to end. With the client's default it would wait 5 s before it tries again.
func TestFirstProduceOfATransactionDoesNotStall(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.produce(lines(0, 10, 3)...)
	l := r.start(r.config("w1"))
	r.drained(l)
	h := r.cluster().Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Topic: r.k.Topic("out"), Err: kerr.ConcurrentTransactions, Count: 1,
	})
	start := time.Now()
	r.produce(lines(10, 20, 3)...)
	r.drained(l)
	if took := time.Since(start); took > 2500*time.Millisecond {
		t.Errorf("it took %v, want no stall of 5 s", took)
	}
	if h.Hits() != 1 {
		t.Errorf("the fault was met %d times, want once", h.Hits())
	}
	equal(t, flat(r.read("out")), wantOut(lines(0, 20, 3)))
}

func TestFencedWorkerStopsAndSaysWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.produce(lines(0, 10, 3)...)
	old := r.start(r.config("same"))
	r.drained(old)
	young := r.start(r.config("same"))
	err := old.wait(t)
	if fault, reason := pipeline.FaultOf(err); fault != pipeline.FaultStop || reason != reasonFenced {
		t.Errorf("got %v, want it stopped as fenced", err)
	}
	r.produce(lines(10, 100, 3)...)
	r.drained(young)
	equal(t, flat(r.read("out")), wantOut(lines(0, 100, 3)))
}

// TestZombieCannotCommit stops a lane in the middle of a transaction for longer than its
// session, lets another one take over, and wakes it.
func TestZombieCannotCommit(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	asleep, wake := make(chan struct{}), make(chan struct{})
	c := r.config("zombie")
	c.New = func(string, int32) (pipeline.Stage, error) {
		s := newTally()
		s.fail = func(value string) error {
			if value == "v50" {
				select {
				case <-asleep:
				default:
					close(asleep)
				}
				<-wake
			}
			return nil
		}
		return s, nil
	}
	c.SessionTimeout, c.TransactionTimeout = 2*time.Second, time.Second
	r.produce(lines(0, 50, 5)...)
	zombie := r.start(c)
	r.drained(zombie)
	// Heartbeats of the zombie get no answer: as far as the group knows, it is dead.
	member := c.Worker + ".toy.0"
	h := r.cluster().Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Heartbeat}, Group: Group(r.k, "toy"), Err: kerr.CoordinatorLoadInProgress, Count: -1,
		When: func(req kmsg.Request) bool {
			hb, ok := req.(*kmsg.HeartbeatRequest)
			return ok && hb.InstanceID != nil && *hb.InstanceID == member
		},
	})
	r.produce(lines(50, 100, 5)...)
	<-asleep
	heir := r.config("heir")
	heir.SessionTimeout, heir.TransactionTimeout = 2*time.Second, time.Second
	second := r.start(heir)
	r.drained(second)
	h.Remove()
	close(wake)
	more := lines(100, 150, 5)
	r.produce(more...)
	r.drained(second)
	equal(t, flat(r.read("out")), wantOut(lines(0, 150, 5)))
}

func TestMembersThatComeAndGoNeitherLoseNorDouble(t *testing.T) {
	t.Parallel()
	r := newRig(t, 4)
	steady := r.start(r.config("steady"))
	var all []string
	for round := range 6 {
		c := r.config(fmt.Sprintf("guest%d", round%2))
		c.Leave = true
		guest := r.start(c)
		for i := range 5 {
			batch := lines(round*500+i*100, round*500+i*100+100, 37)
			r.produce(batch...)
			all = append(all, batch...)
		}
		eventually(t, func() string {
			if guest.Serves() == 0 && round > 0 {
				return "the guest gets no partition"
			}
			return ""
		})
		guest.stop(t)
	}
	r.drained(steady)
	equal(t, flat(r.read("out")), wantOut(all))
}

func TestOversizedBatchIsRejectedAndPassed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	bomb := &kgo.Record{Topic: r.k.Topic("in"), Key: []byte("k0"), Value: []byte(strings.Repeat("0", maxDecompress+1))}
	cl, err := r.k.client(kgo.ProducerBatchMaxBytes(100<<20), kgo.MaxBufferedBytes(200<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	r.produce(lines(0, 10, 3)...)
	if err := cl.ProduceSync(t.Context(), bomb).FirstErr(); err != nil {
		t.Skipf("the broker does not take it: %v", err)
	}
	r.produce(lines(10, 20, 3)...)
	l := r.start(r.config("w1"))
	eventually(t, func() string {
		if n := l.Stats().Live; n != 20 {
			return fmt.Sprintf("%d records, want 20", n)
		}
		return ""
	})
	rejects := r.records(pipeline.TopicRejects)[0]
	if len(rejects) != 1 || len(rejects[0].Value) != 0 {
		t.Fatalf("got %d rejects, want one without bytes", len(rejects))
	}
	equal(t, flat(r.read("out")), wantOut(lines(0, 20, 3)))
	l.stop(t)
	l = r.start(r.config("w1"))
	r.drained(l)
}
