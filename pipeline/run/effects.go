package run

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/riposte-sec/riposte/internal/crash"
	"github.com/riposte-sec/riposte/pipeline"
)

// effects makes the calls that the respond stage asked for, once the batch with them is
// committed (I3). It never makes two at once for the same target of a connector, and not
// more than the lane's number of workers altogether. What became of a call goes to the
// inbox of the partition that asked for it; whether to try again is the stage's business.
// A lane has one, over all its sessions, so that a call that is still under way when a
// session ends keeps its target to itself. It is safe for concurrent use.
type effects struct {
	l       *Lane
	timeout map[string]map[string]time.Duration // by connector and action

	mu      sync.Mutex
	launch  func(target string, c *call) // nil until start
	quiet   bool                         // start nothing new
	running int
	open    int // calls under way, or due, or with a result that is not committed
	later   callHeap
	queues  map[string][]*call // by target, in order; the first of a busy one is running
	busyOn  map[string]bool
	ready   []string // targets that wait for a worker
	timer   *time.Timer
	workers sync.WaitGroup
}

// call is one call and who asked for it.
type call struct {
	pipeline.Call
	part *part
}

// reasonNotOurs: the group did not confirm that the partition is ours, so the call was not
// made.
const reasonNotOurs = "not_ours"

// defaultCallTimeout bounds a call of an action that declares no timeout.
const defaultCallTimeout = 30 * time.Second

func newEffects(l *Lane) *effects {
	e := &effects{
		l: l, timeout: make(map[string]map[string]time.Duration),
		queues: make(map[string][]*call), busyOn: make(map[string]bool),
	}
	for name, r := range l.cfg.Responders {
		e.timeout[name] = make(map[string]time.Duration)
		for _, a := range r.Actions() {
			e.timeout[name][a.Name] = a.Timeout
		}
	}
	return e
}

// start lets calls be made until the returned function is called, which waits for those
// under way until ctx is done, and then cancels them and waits for them to notice.
func (e *effects) start(ctx context.Context) (stop func()) {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.mu.Lock()
	e.launch = func(target string, c *call) { go e.run(calls, target, c) }
	e.mu.Unlock()
	return func() {
		e.quiesce()
		unhook := context.AfterFunc(ctx, cancel)
		defer unhook()
		e.workers.Wait()
		cancel()
	}
}

// quiesce starts no more calls.
func (e *effects) quiesce() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.quiet = true
	if e.timer != nil {
		e.timer.Stop()
	}
}

// submit takes over the calls of a committed batch.
func (e *effects) submit(p *part, calls []pipeline.Call) {
	if len(calls) == 0 {
		return
	}
	p.inbox.submitted(len(calls))
	now := e.l.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range calls {
		c := &call{Call: cloneCall(&calls[i]), part: p}
		if c.NotBefore > now {
			heap.Push(&e.later, c)
			continue
		}
		e.enqueue(c)
	}
	e.dispatch()
	e.arm(now)
}

// enqueue puts a call that is due behind the others for its target.
func (e *effects) enqueue(c *call) {
	key := c.target()
	e.queues[key] = append(e.queues[key], c)
	e.open++
	if len(e.queues[key]) == 1 && !e.busyOn[key] {
		e.ready = append(e.ready, key)
	}
}

// dispatch starts calls while there are workers for them.
func (e *effects) dispatch() {
	for e.running < e.l.cfg.Workers && len(e.ready) > 0 && !e.quiet && e.launch != nil {
		key := e.ready[0]
		e.ready = e.ready[1:]
		c := e.queues[key][0]
		e.queues[key] = e.queues[key][1:]
		e.busyOn[key] = true
		e.running++
		e.l.m.callsRunning.WithLabelValues(e.l.cfg.Stage).Set(float64(e.running))
		e.workers.Add(1)
		e.launch(key, c)
	}
}

// arm sets the timer to the next call that waits for its time.
func (e *effects) arm(now pipeline.Millis) {
	if len(e.later) == 0 || e.quiet {
		return
	}
	d := max(0, e.later[0].NotBefore.Sub(now))
	if e.timer != nil {
		e.timer.Stop()
	}
	e.timer = time.AfterFunc(d, e.due)
}

// due enqueues the calls whose time has come.
func (e *effects) due() {
	now := e.l.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.later) > 0 && e.later[0].NotBefore <= now {
		e.enqueue(heap.Pop(&e.later).(*call))
	}
	e.dispatch()
	e.arm(now)
}

// run makes one call and lets the next one for its target go.
func (e *effects) run(ctx context.Context, key string, c *call) {
	defer e.workers.Done()
	delivered := false
	if !c.part.inbox.isClosed() {
		delivered = c.part.inbox.put(e.make(ctx, c))
	}
	e.mu.Lock()
	e.running--
	e.l.m.callsRunning.WithLabelValues(e.l.cfg.Stage).Set(float64(e.running))
	if !delivered {
		e.open--
	}
	delete(e.busyOn, key)
	if len(e.queues[key]) == 0 {
		delete(e.queues, key)
	} else {
		e.ready = append(e.ready, key)
	}
	e.dispatch()
	e.mu.Unlock()
	e.l.waker.ring()
}

// make makes one call.
func (e *effects) make(ctx context.Context, c *call) pipeline.Return {
	timeout := e.timeout[c.Connector][c.Action.Name]
	if timeout <= 0 {
		timeout = defaultCallTimeout
	}
	if err := c.part.tenure.hold(ctx); err != nil {
		now := e.l.now()
		return pipeline.Return{Call: c.Call, Started: now, Done: now, Err: pipeline.AsRetry(reasonNotOurs, 0, fmt.Errorf("call not made: %w", err))}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ret := pipeline.Return{Call: c.Call, Started: e.l.now()}
	start := time.Now()
	crash.Point(crash.BeforeCall)
	ret.Err = guard(func() (err error) {
		ret.State, err = e.invoke(ctx, &c.Call)
		return err
	})
	crash.Point(crash.AfterCall)
	e.l.m.callSeconds.WithLabelValues(e.l.cfg.Stage, c.Connector).Observe(time.Since(start).Seconds())
	ret.Done = e.l.now()
	fault, _ := pipeline.FaultOf(ret.Err)
	if fault == pipeline.FaultNone && ret.Err != nil {
		// Cut off by our own end: it may have happened.
		ret.Err = pipeline.AsUnknown("canceled", fmt.Errorf("call cut off: %w", ret.Err))
		fault = pipeline.FaultUnknown
	}
	e.l.m.calls.WithLabelValues(e.l.cfg.Stage, c.Connector, opName(c.Op), fault.String()).Inc()
	return ret
}

// restored is a connector that keeps its effects in its own memory and wants to know when
// all leases of a partition were applied to it again.
type restored interface {
	Restored(ctx context.Context, a pipeline.Action) error
}

func (e *effects) invoke(ctx context.Context, c *pipeline.Call) (pipeline.State, error) {
	r := e.l.cfg.Responders[c.Connector]
	if r == nil {
		return pipeline.State{}, pipeline.AsReject("no_connector", fmt.Errorf("no connector %q", c.Connector))
	}
	switch c.Op {
	case pipeline.OpCheck:
		return r.Check(ctx, c.Action)
	case pipeline.OpApply, pipeline.OpRestore:
		return r.Apply(ctx, c.Action)
	case pipeline.OpUndo:
		return r.Undo(ctx, c.Action)
	case pipeline.OpRestored:
		if w, ok := r.(restored); ok {
			return pipeline.State{}, w.Restored(ctx, c.Action)
		}
		return pipeline.State{}, nil
	}
	return pipeline.State{}, pipeline.AsStop("op", fmt.Errorf("BUG: operation %d", c.Op))
}

// taken says that n results are committed, or will never be read.
func (e *effects) taken(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open -= n
}

func (e *effects) busy() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open
}

// active returns how many calls run at the moment.
func (e *effects) active() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running
}

// target is what at most one call at a time may be made for.
func (c *call) target() string {
	return c.Connector + "\x1f" + c.Action.Tenant + "\x1f" + c.Action.Target.Kind + "\x1f" + c.Action.Target.Value
}

func opName(op pipeline.Op) string {
	switch op {
	case pipeline.OpCheck:
		return "check"
	case pipeline.OpApply:
		return "apply"
	case pipeline.OpUndo:
		return "undo"
	case pipeline.OpRestore:
		return "restore"
	case pipeline.OpRestored:
		return "restored"
	}
	return "other"
}

// cloneCall copies a call out of its batch.
func cloneCall(c *pipeline.Call) pipeline.Call {
	out := *c
	out.Connector = strings.Clone(c.Connector)
	a := &out.Action
	a.Tenant, a.Name, a.VendorRef = strings.Clone(a.Tenant), strings.Clone(a.Name), strings.Clone(a.VendorRef)
	a.Target.Kind, a.Target.Value = strings.Clone(a.Target.Kind), strings.Clone(a.Target.Value)
	a.Target.Role = strings.Clone(a.Target.Role)
	if c.Action.Params != nil {
		a.Params = make(map[string]json.RawMessage, len(c.Action.Params))
		for k, v := range c.Action.Params {
			a.Params[strings.Clone(k)] = bytes.Clone(v)
		}
	}
	if c.Action.Text != nil {
		a.Text = make(map[string]string, len(c.Action.Text))
		for k, v := range c.Action.Text {
			a.Text[strings.Clone(k)] = strings.Clone(v)
		}
	}
	return out
}

// callHeap orders calls by the time from which they may be made.
type callHeap []*call

func (h callHeap) Len() int           { return len(h) }
func (h callHeap) Less(i, j int) bool { return h[i].NotBefore < h[j].NotBefore }
func (h callHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements [heap.Interface].
func (h *callHeap) Push(x any) { *h = append(*h, x.(*call)) }

// Pop implements [heap.Interface].
func (h *callHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return c
}
