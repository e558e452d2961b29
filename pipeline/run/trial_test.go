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

	"github.com/riposte-sec/riposte/pipeline"
)

func TestTrialIsResumedWhereTheProcessDied(t *testing.T) {
	t.Parallel()
	f := func(name, last string, from, next int64, want string) {
		t.Helper()
		tried, ok := parseTrial(from, last)
		if !ok {
			t.Fatalf("%s: %q is no trial", name, last)
		}
		got := "nothing"
		if again, unsettled := tried.resumed(next); unsettled {
			got = again.String()
			if again.from != next {
				t.Errorf("%s: begins at %d, want %d", name, again.from, next)
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	f("the first transaction was committed", "to=300 size=200 alone=false deaths=0", 100, 300, "nothing")
	f("the partition was read on since", "to=300 size=200 alone=false deaths=0", 100, 5000, "nothing")
	f("the topic was made anew", "to=300 size=200 alone=false deaths=0", 100, 0, "nothing")
	f("died with all of them", "to=300 size=200 alone=false deaths=0", 100, 100, "to=300 size=12 alone=true deaths=0")
	f("died with one beside others", "to=101 size=1 alone=false deaths=0", 100, 100, "to=101 size=1 alone=true deaths=0")
	f("died with a piece", "to=300 size=12 alone=true deaths=0", 100, 100, "to=300 size=1 alone=true deaths=0")
	f("died behind a piece", "to=300 size=12 alone=true deaths=0", 100, 112, "to=300 size=12 alone=true deaths=0")
	f("died with a record", "to=300 size=1 alone=true deaths=1", 105, 105, "to=300 size=1 alone=true deaths=2")
	f("died behind a record", "to=300 size=1 alone=true deaths=2", 105, 106, "to=300 size=1 alone=true deaths=0")
	f("died behind the last of them", "to=300 size=1 alone=true deaths=0", 299, 300, "nothing")
	for _, text := range []string{"", "seq=7", "to=3 size=1 alone=true", "to=9 size=0 alone=true deaths=0", "to=9 size=1 alone=true deaths=-1"} {
		if got, ok := parseTrial(5, text); ok {
			t.Errorf("%q is the trial %v", text, got)
		}
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
	r := &rig{t: t, k: Kafka{Brokers: []string{addr}, Prefix: os.Getenv(childPrefix)}}
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
	cmd.Env = append(os.Environ(), childBroker+"="+r.k.Brokers[0], childPrefix+"="+r.k.Prefix)
	if os.Getenv("RUN_LOG") != "" {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return cmd
}

// behind is how many records no transaction of the stage has taken yet.
func (r *rig) behind() int {
	r.t.Helper()
	lag, err := Lag(r.t.Context(), r.k, Input{Group: Group(r.k, "toy"), Topics: []string{"in"}})
	if err != nil {
		r.t.Fatal(err)
	}
	return lag
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
				if r.behind() > 0 && time.Now().Before(deadline) {
					continue
				}
				_ = cmd.Process.Kill()
				<-ended
				if n := r.behind(); n > 0 {
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
		for before := r.behind(); r.behind() >= before && before > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // it dies with its first commit or its first trial
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
