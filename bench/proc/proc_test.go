package proc

import (
	"context"
	"testing"
)

func TestKilledProcessReportsTheSignal(t *testing.T) {
	t.Parallel()
	p, err := Start(Spec{Name: "sleeper", Path: "sleep", Args: []string{"60"}})
	if err != nil {
		t.Fatal(err)
	}
	if p.State() != nil {
		t.Error("a running process has a final state")
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if p.Err() == nil {
		t.Error("Err after kill -9: got nil")
	}
	if err := p.Kill(); err != nil {
		t.Errorf("killing it again: %v", err)
	}
}

func TestStopWaitsForACleanEnd(t *testing.T) {
	t.Parallel()
	var log Tail
	p, err := Start(Spec{
		Name: "sh", Path: "sh", Log: &log,
		Args: []string{"-c", `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done`},
	})
	if err != nil {
		t.Fatal(err)
	}
	for log.Lines(1) != "up" {
		select {
		case <-p.Done():
			t.Fatalf("ended early: %v", p.Err())
		case <-t.Context().Done():
			t.Fatal(context.Cause(t.Context()))
		default:
		}
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := log.Lines(1); got != "bye" || p.Err() != nil {
		t.Errorf("got last line %q, err %v; want bye, nil", got, p.Err())
	}
}

func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	p, err := Start(Spec{Name: "frozen", Path: "sleep", Args: []string{"60"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); err == nil {
		t.Error("stop of a frozen process: got nil error")
	}
	<-p.Done()
}

func TestFreePortsDiffer(t *testing.T) {
	t.Parallel()
	ports, err := FreePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] {
			t.Fatalf("port %d twice in %v", p, ports)
		}
		seen[p] = true
	}
}

func TestTailKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	f := func(in string, n int, want string) {
		t.Helper()
		var tail Tail
		_, _ = tail.Write([]byte(in))
		if got := tail.Lines(n); got != want {
			t.Errorf("Lines(%d) of %q: got %q, want %q", n, in, got, want)
		}
	}
	f("", 3, "")
	f("a\nb\nc\n", 2, "b\nc")
	f("a\nb", 5, "a\nb")
}
