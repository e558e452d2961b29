package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tenure knows for how long the consumer group surely counts a session among its members.
//
// A transaction of a worker that was frozen for longer than its session is fenced by the
// broker; a call to a connector is not. Worker A commits calls and queues the last of them
// behind others; A is frozen; the group gives the partition to B; B restores the ledger,
// finds the call lost, looks, and takes the effect back because nobody wants it any more; A
// wakes up and makes the call that it still has. Nothing would ever undo it. So no call is
// begun without a word of the group that is younger than half the session timeout. The
// other half is for the call to arrive.
//
// It is safe for concurrent use.
type tenure struct {
	lasts time.Duration                   // a word of the group is good for this long
	ask   func(ctx context.Context) error // nil: the session is a member

	mu     sync.Mutex // held while asking: the others wait for the same answer
	proven time.Time  // when the last question that got a yes was sent
}

// hold returns nil if the group counted us among its members less than lasts ago, asking it
// if it did not say so lately.
func (t *tenure) hold(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if elapsed(t.proven, time.Now()) < t.lasts {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.lasts)
	defer cancel()
	sent := time.Now()
	if err := t.ask(ctx); err != nil {
		return fmt.Errorf("membership not confirmed: %w", err)
	}
	if elapsed(sent, time.Now()) >= t.lasts { // frozen meanwhile
		return fmt.Errorf("membership not confirmed: the answer took %v", time.Since(sent))
	}
	t.proven = sent
	return nil
}

// prove notes that the group accepted something that was sent at a time.
func (t *tenure) prove(sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sent.After(t.proven) {
		t.proven = sent
	}
}

// elapsed returns how much time passed, by the clock that ran further: the monotonic one
// stands still while a machine sleeps, the wall clock may be set back.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// isMember asks the group whether the session is one of its members.
func (s *session) isMember(ctx context.Context) error {
	cl := s.gts.Client()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.InstanceID = Group(s.l.cfg.Kafka, s.l.cfg.Stage), new(s.member())
	req.MemberID, req.Generation = cl.GroupMetadata()
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	err = kerr.ErrorForCode(resp.ErrorCode)
	if err == nil || errors.Is(err, kerr.RebalanceInProgress) { // what we have stays ours until we join again
		return nil
	}
	return fmt.Errorf("heartbeat: %w", err)
}
