//go:build crashpoints

package crash

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestProcessIsKilledAtTheChosenPass(t *testing.T) {
	if os.Getenv("CRASH_CHILD") != "" {
		Point(AfterPoll)
		Point(BeforeEnd)
		os.Stdout.WriteString("one")
		Point(BeforeEnd)
		os.Stdout.WriteString("two")
		os.Exit(0)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessIsKilledAtTheChosenPass$")
	cmd.Env = append(os.Environ(), "CRASH_CHILD=1", Env+"="+BeforeEnd+":2")
	out, err := cmd.Output()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("got %v, want a killed process", err)
	}
	if ws := exit.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
		t.Errorf("got %v, want SIGKILL", ws)
	}
	if string(out) != "one" {
		t.Errorf("got output %q, want %q", out, "one")
	}
}

func TestWallClockIsOffAsTheFileSays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	t.Setenv(ClockEnv, file)
	for text, off := range map[string]time.Duration{"": 0, "3600\n": time.Hour, "-3600": -time.Hour, "x": 0} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := time.Until(Wall()) - off; got.Abs() > time.Minute {
			t.Errorf("%q: off by %v more than %v", text, got, off)
		}
	}
}

func TestWhatCannotBeReadChoosesNothing(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"before-end:0", "before-end:x", "before-end:-1"} {
		if point, _ := parse(s); point != "" {
			t.Errorf("%q chose %q, want nothing", s, point)
		}
	}
}
