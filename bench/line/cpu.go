package line

import (
	"encoding/json"
	"fmt"
	"io"
	"syscall"
	"time"
)

// Clock measures the CPU time of this process and the time on the wall since Start.
type Clock struct {
	wall time.Time
	cpu  time.Duration
}

// Start starts a clock.
func Start() Clock { return Clock{time.Now(), cpuTime()} }

// Cost is what a measured program prints as its last line.
type Cost struct {
	Records int     `json:"records"`
	Bytes   int64   `json:"bytes"` // of the values produced
	CPU     float64 `json:"cpu_s"`
	Wall    float64 `json:"wall_s"`
}

// PerCPUSecond is the number of records for each second of CPU time.
func (c Cost) PerCPUSecond() float64 { return float64(c.Records) / c.CPU }

// Print writes the cost since the clock was started as one line of JSON.
func (c Clock) Print(w io.Writer, records int, bytes int64) error {
	cost := Cost{Records: records, Bytes: bytes, CPU: (cpuTime() - c.cpu).Seconds(), Wall: time.Since(c.wall).Seconds()}
	line, err := json.Marshal(cost)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}

// cpuTime is user and system time of this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("BUG: getrusage: " + err.Error()) // only wrong arguments make it fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
