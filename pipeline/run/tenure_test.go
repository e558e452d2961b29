package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestTenureAsksOnlyWhenTheLastWordIsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		said := error(nil)
		n := &tenure{lasts: 10 * time.Second, ask: func(context.Context) error { asked++; return said }}
		f := func(what string, wait time.Duration, held bool, asks int) {
			t.Helper()
			time.Sleep(wait)
			if err := n.hold(t.Context()); (err == nil) != held || asked != asks {
				t.Errorf("%s: got %v after asking %d times, want held %v after %d", what, err, asked, held, asks)
			}
		}
		f("at first nothing is known", 0, true, 1)
		f("a young word is good enough", 9*time.Second, true, 1)
		f("an old one is not", time.Second, true, 2)
		time.Sleep(8 * time.Second)
		n.prove(time.Now())
		f("a commit is a word too", 8*time.Second, true, 2)
		said = kerr.UnknownMemberID
		f("a no", 10*time.Second, false, 3)
		f("is asked again", 0, false, 4)
		said = nil
		f("and forgotten", 0, true, 5)
	})
}

func TestTenureDoesNotTrustAnAnswerThatTookTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		frozen := 11 * time.Second
		n := &tenure{lasts: 10 * time.Second, ask: func(context.Context) error { time.Sleep(frozen); return nil }}
		if err := n.hold(t.Context()); err == nil {
			t.Error("got nil, want an error: the yes is older than it may be")
		}
		never := &tenure{lasts: 10 * time.Second, ask: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		start := time.Now()
		if err := never.hold(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("without an answer: %v after %v, want the deadline after 10 s", err, time.Since(start))
		}
	})
}

func TestTenureAsksOnceForAll(t *testing.T) {
	t.Parallel()
	asked, answer := 0, make(chan struct{})
	n := &tenure{lasts: time.Minute, ask: func(context.Context) error { asked++; <-answer; return nil }}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := n.hold(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	close(answer)
	wg.Wait()
	if asked != 1 {
		t.Errorf("the group was asked %d times, want once", asked)
	}
}

// frost freezes the connections of a lane: what it sends does not arrive any more, and it
// does not notice.
type frost struct {
	on    atomic.Bool
	mu    sync.Mutex
	conns []net.Conn
}

func (f *frost) dial(ctx context.Context, network, host string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, host)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns = append(f.conns, c)
	return frozenConn{c, f}, nil
}

// thaw breaks the connections that were frozen; new ones work.
func (f *frost) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on.Store(false)
	for _, c := range f.conns {
		_ = c.Close()
	}
}

type frozenConn struct {
	net.Conn
	frost *frost
}

func (c frozenConn) Write(b []byte) (int, error) {
	if c.frost.on.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// TestZombieMakesNoCallThatItStillHas lets a lane commit two calls, one of which waits behind
// the other; cuts it off, so that the group takes it for dead and another lane takes over;
// and then lets the first call end.
func TestZombieMakesNoCallThatItStillHas(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	f := newFakeResponder()
	f.gate = make(chan struct{})
	var cold frost
	c := r.askConfig(f)
	c.Kafka.Dial = cold.dial
	c.Workers = 1
	c.SessionTimeout, c.TransactionTimeout = 2*time.Second, time.Second
	zombie := r.start(c)
	r.produce("a block", "b block")
	eventually(t, func() string {
		if n := zombie.Busy(); n != 2 {
			return fmt.Sprintf("%d calls, want two", n)
		}
		return ""
	})
	cold.on.Store(true)
	heir := r.askConfig(newFakeResponder())
	heir.Worker = "heir"
	heir.SessionTimeout, heir.TransactionTimeout = 2*time.Second, time.Second
	second := r.start(heir)
	eventually(t, func() string {
		if second.Serves() == 0 {
			return "nobody takes over"
		}
		return ""
	})
	if zombie.Serves() == 0 {
		t.Error("the zombie knows that it is one: this test shows nothing")
	}
	close(f.gate)
	eventually(t, func() string {
		if n := zombie.effects.active(); n != 0 {
			return fmt.Sprintf("%d calls run, want none", n)
		}
		return ""
	})
	if got := f.made(); !slices.Equal(got, []string{"a block"}) {
		t.Errorf("calls %q, want the one alone that was under way", got)
	}
	cold.thaw()
}

func TestCallWithoutTenureComesBackAsNotMade(t *testing.T) {
	t.Parallel()
	f := newFakeResponder()
	c := DefaultLane(Kafka{Brokers: []string{"127.0.0.1:1"}}, "toy", "in")
	c.New, c.Worker = tallyFactory, "w1"
	c.Responders = map[string]pipeline.Responder{"fake": f}
	l, err := NewLane(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &part{tenure: &tenure{lasts: time.Second, ask: func(context.Context) error { return kerr.FencedInstanceID }}}
	ret := l.effects.make(t.Context(), &call{Call: pipeline.Call{Connector: "fake", Op: pipeline.OpApply}, part: p})
	if fault, reason := pipeline.FaultOf(ret.Err); fault != pipeline.FaultRetry || reason != reasonNotOurs {
		t.Errorf("got %v, want it to be tried again as %s", ret.Err, reasonNotOurs)
	}
	if got := f.made(); len(got) != 0 {
		t.Errorf("calls %q, want none", got)
	}
}
