//go:build crashpoints

package crash

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Enabled is true in a build that can crash on purpose.
const Enabled = true

var (
	chosen = sync.OnceValues(func() (string, int64) { return parse(os.Getenv(Env)) })
	passed atomic.Int64
)

// Point ends the process if name is the point that was chosen and it was passed often
// enough. It is safe for concurrent use.
func Point(name string) {
	point, at := chosen()
	if point != name || passed.Add(1) != at {
		return
	}
	fmt.Fprintf(os.Stderr, "crash: %s, pass %d\n", name, at)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal ends all threads; none may go on until it does
}

// parse reads "point" or "point:passes". What cannot be read chooses nothing.
func parse(s string) (string, int64) {
	point, times, counted := strings.Cut(s, ":")
	if !counted {
		return point, 1
	}
	n, err := strconv.ParseInt(times, 10, 64)
	if err != nil || n < 1 {
		return "", 0
	}
	return point, n
}

// Wall is the machine's clock, off by the seconds that the file named by ClockEnv holds at
// the moment. It has no monotonic reading, which a step would not move.
func Wall() time.Time {
	now := time.Now().Round(0)
	text, err := os.ReadFile(os.Getenv(ClockEnv))
	if err != nil {
		return now
	}
	off, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return now
	}
	return now.Add(time.Duration(off) * time.Second)
}
