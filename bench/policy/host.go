package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the time that the process has had on processors. The clock on the wall
// would count what other processes took.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic("BUG: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// threadTime is the time that the calling thread has had on a processor.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic("BUG: " + err.Error())
	}
	return time.Duration(t.Nano())
}

// host says how busy the machine was while this process measured.
type host struct {
	start time.Time
	cpu   time.Duration
	load  string
	ticks ticks
}

// ticks are hundredths of a second of all processors, as /proc/stat counts them.
type ticks struct{ busy, idle, steal float64 }

func watchHost() host {
	return host{time.Now(), cpuTime(), loadAverage(), readTicks()}
}

// end describes the host since watchHost, as far as the system tells.
func (h host) end() string {
	now := readTicks()
	busy, idle, steal := now.busy-h.ticks.busy, now.idle-h.ticks.idle, now.steal-h.ticks.steal
	total := busy + idle + steal
	if total <= 0 {
		return "host: unknown load"
	}
	own := 100 * (cpuTime() - h.cpu).Seconds()
	return fmt.Sprintf("host: load average %s at the start, %s at the end; of its processors' time this program had %.0f %%, others %.0f %%, the hypervisor took %.0f %%",
		h.load, loadAverage(), 100*own/total, 100*max(busy-own, 0)/total, 100*steal/total)
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	load, _, _ := strings.Cut(string(text), " ")
	return load
}

// readTicks reads the first line of /proc/stat; zeros where there is none.
func readTicks() ticks {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return ticks{}
	}
	var user, nice, system, idle, wait, irq, soft, steal float64
	if _, err := fmt.Sscanf(string(text), "cpu %g %g %g %g %g %g %g %g", &user, &nice, &system, &idle, &wait, &irq, &soft, &steal); err != nil {
		return ticks{}
	}
	return ticks{user + nice + system + irq + soft, idle + wait, steal}
}
