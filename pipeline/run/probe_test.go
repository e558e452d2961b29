package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestProbeIsResumedWhereTheProcessDied(t *testing.T) {
	t.Parallel()
	f := func(name, last string, from, next int64, want string) {
		t.Helper()
		tried, ok := parseProbe(from, last)
		if !ok {
			t.Fatalf("%s: %q is no probe", name, last)
		}
		got := "nothing"
		if again, unsettled := tried.resumed("now", next); unsettled {
			got = fmt.Sprintf("size=%d end=%d deaths=%d", again.size, again.end, again.deaths)
			if again.from != next || !again.alone {
				t.Errorf("%s: got %+v, want it alone from %d", name, again, next)
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	const before, now = " life=then", " life=now"
	f("the first transaction was committed", "to=300 size=200 end=300 alone=false survived=false deaths=0"+before, 100, 300, "nothing")
	f("the partition was read on since", "to=300 size=200 end=300 alone=false survived=false deaths=0"+before, 100, 5000, "nothing")
	f("the topic was made anew", "to=300 size=200 end=300 alone=false survived=false deaths=0"+before, 100, 0, "nothing")
	f("died with all of them", "to=300 size=200 end=300 alone=false survived=false deaths=0"+before, 100, 100, "size=12 end=300 deaths=0")
	f("a session ended with all of them", "to=300 size=200 end=300 alone=false survived=false deaths=0"+now, 100, 100, "nothing")
	f("died with one beside others", "to=101 size=1 end=101 alone=false survived=false deaths=0"+before, 100, 100, "size=1 end=101 deaths=0")
	f("died with a piece", "to=112 size=12 end=300 alone=true survived=false deaths=0"+before, 100, 100, "size=1 end=112 deaths=0")
	f("died behind a piece", "to=112 size=12 end=300 alone=true survived=false deaths=0"+before, 100, 112, "size=12 end=300 deaths=0")
	f("died with a record", "to=106 size=1 end=112 alone=true survived=false deaths=1"+before, 105, 105, "size=1 end=112 deaths=2")
	f("a session ended with a record", "to=106 size=1 end=112 alone=true survived=false deaths=1"+now, 105, 105, "size=1 end=112 deaths=1")
	f("died behind a record that it survived", "to=106 size=1 end=112 alone=true survived=true deaths=1"+before, 105, 105, "size=1 end=112 deaths=1")
	f("died behind a piece that it survived", "to=112 size=12 end=300 alone=true survived=true deaths=0"+before, 100, 100, "size=12 end=300 deaths=0")
	f("died behind a record", "to=106 size=1 end=112 alone=true survived=false deaths=2"+before, 105, 106, "size=1 end=112 deaths=0")
	f("died behind the last of them", "to=300 size=1 end=300 alone=true survived=false deaths=0"+before, 299, 300, "nothing")
	for _, text := range []string{
		"", "seq=7", "to=9 size=1 end=9 alone=true survived=false deaths=0",
		"to=9 size=0 end=9 alone=true survived=false deaths=0" + now, "to=9 size=1 end=9 alone=true survived=false deaths=-1" + now, "to=9 size=1 end=8 alone=true survived=false deaths=0" + now,
	} {
		if got, ok := parseProbe(5, text); ok {
			t.Errorf("%q is the probe %v", text, got)
		}
	}
	again := probe{from: 5, to: 9, size: 4, end: 12, alone: true, deaths: 2, life: "x"}
	if got, ok := parseProbe(5, again.String()); !ok || got != again {
		t.Errorf("read %+v, want %+v", got, again)
	}
}

// The test program is its own child: a worker whose stage ends the process over a record.
const (
	childBroker = "RUN_CHILD_BROKER"
	childPrefix = "RUN_CHILD_PREFIX"
)

// fatal is a stage that ends the process over a value that says so.
type fatal struct{ *tallyStage }

func (f fatal) Process(ctx context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		if strings.HasPrefix(string(b.In[i].Value), "fatal") {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	return f.tallyStage.Process(ctx, b)
}

// TestChildThatDiesOfARecord is the child of the tests below and does nothing by itself.
func TestChildThatDiesOfARecord(t *testing.T) {
	addr := os.Getenv(childBroker)
	if addr == "" {
		t.Skip("the child of another test")
	}
	r := &rig{t: t, k: Kafka{Brokers: strings.Split(addr, ","), Prefix: os.Getenv(childPrefix)}}
	var lanes []*running
	for n := range 2 {
		c := r.config("w1")
		c.Lane = n
		c.New = func(string, int32) (pipeline.Stage, error) { return fatal{newTally()}, nil }
		lanes = append(lanes, r.start(c))
	}
	for _, l := range lanes {
		if err := <-l.done; err != nil {
			t.Error(err)
		}
	}
}

// child starts the worker.
func (r *rig) child() *exec.Cmd {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), os.Args[0], "-test.run=^TestChildThatDiesOfARecord$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), childBroker+"="+strings.Join(r.k.Brokers, ","), childPrefix+"="+r.k.Prefix)
	if os.Getenv("RUN_LOG") != "" {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return cmd
}

// surviveUntilDrained starts the worker again whenever it dies, until everything is read,
// and returns how often it died.
func (r *rig) surviveUntilDrained() (deaths int) {
	r.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); ; deaths++ {
		cmd := r.child()
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for alive := true; alive; {
			select {
			case err := <-ended:
				exit, ok := errors.AsType[*exec.ExitError](err)
				if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					r.t.Fatalf("the worker ended with %v", err)
				}
				alive = false
			case <-time.After(20 * time.Millisecond):
				if r.behind(r.t.Context()) > 0 && time.Now().Before(deadline) {
					continue
				}
				_ = cmd.Process.Kill()
				<-ended
				if n := r.behind(r.t.Context()); n > 0 {
					r.t.Fatalf("still %d records behind after %d deaths", n, deaths)
				}
				return deaths
			}
		}
	}
}

func TestRecordThatEndsTheProcessIsRejectedAndNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	all := lines(0, 600, 12)
	bad := []string{"k1 fatal-early", "k7 fatal-late"}
	all[30], all[590] = bad[0], bad[1]
	all[45] = "k2 poison" // the stage panics in the midst of it
	r.produce(all...)
	deaths := r.surviveUntilDrained()
	t.Logf("%d deaths", deaths)
	good := slices.DeleteFunc(slices.Clone(all), func(l string) bool { return strings.Contains(l, "fatal") || strings.Contains(l, "poison") })
	equal(t, flat(r.read("out")), wantOut(good))
	var rejected []string
	for _, rec := range slices.Concat(r.records(pipeline.TopicRejects)...) {
		reason := ""
		for _, h := range rec.Headers {
			if h.Key == pipeline.HeaderRejectReason {
				reason = string(h.Value)
			}
		}
		rejected = append(rejected, fmt.Sprintf("%s %s %s", rec.Key, rec.Value, reason))
	}
	slices.Sort(rejected)
	if want := []string{bad[0] + " poison", "k2 poison poison", bad[1] + " poison"}; !slices.Equal(rejected, want) {
		t.Errorf("got rejects %q, want %q", rejected, want)
	}
	// For each: once among all, once among a sixteenth of them, at most once more before it
	// is alone, and three times alone. Its first death may be beside the other's.
	if most := 2 * (3 + maxTries); deaths > most {
		t.Errorf("the worker died %d times, want at most %d", deaths, most)
	}
}

func TestWorkerThatIsKilledAtAnyTimeRejectsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	var all []string
	for n := range 6 {
		more := lines(100*n, 100*n+100, 7)
		all = append(all, more...)
		r.produce(more...)
		cmd := r.child()
		deadline := time.Now().Add(20 * time.Second)
		for before := r.behind(r.t.Context()); r.behind(r.t.Context()) >= before && before > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // it dies with its first commit or its first probe
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if deaths := r.surviveUntilDrained(); deaths > 0 {
		t.Errorf("the worker died %d times by itself", deaths)
	}
	equal(t, flat(r.read("out")), wantOut(all))
	if got := slices.Concat(r.records(pipeline.TopicRejects)...); len(got) > 0 {
		t.Errorf("%d records rejected, want none", len(got))
	}
}

// halting is a stage that stops the lane over a value that says so.
type halting struct{ *tallyStage }

func (h halting) Process(ctx context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		if strings.HasPrefix(string(b.In[i].Value), "halt") {
			return pipeline.AsStop("test", errors.New("halt"))
		}
	}
	return h.tallyStage.Process(ctx, b)
}

func TestLivesThatEndInOrderBlameNoRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	all := lines(0, 200, 7)
	all[90] = "k6 halt"
	r.produce(all...)
	for n := range 3 * (3 + maxTries) {
		c := r.config("w1")
		c.New = func(string, int32) (pipeline.Stage, error) { return halting{newTally()}, nil }
		run := r.prepare(c)
		run.life = fmt.Sprint("life", n)
		run.launch()
		if err := run.wait(t); err == nil {
			t.Fatal("the lane was not stopped")
		}
	}
	last := r.prepare(r.config("w1"))
	last.life = "last"
	last.launch()
	r.drained(last)
	last.stop(t)
	equal(t, flat(r.read("out")), wantOut(all))
	if got := slices.Concat(r.records(pipeline.TopicRejects)...); len(got) > 0 {
		t.Errorf("%d records rejected, want none", len(got))
	}
}

func TestLaneThatMayNotUseProbesProcessesAllTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.cluster().ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster().KeepControl()
		if q := req.(*kmsg.OffsetCommitRequest); q.Group == probes(r.k, "toy") {
			return nil, errors.New("refused"), true
		}
		return nil, nil, false
	})
	all := lines(0, 300, 7)
	r.produce(all...)
	run := r.start(r.config("w1"))
	r.drained(run)
	run.stop(t)
	equal(t, flat(r.read("out")), wantOut(all))
}
