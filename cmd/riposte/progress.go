package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress shows how long work goes on: one rewritten line with rate and time left on a
// terminal, a plain line every ten seconds otherwise. Not safe for concurrent use.
type progress struct {
	w        io.Writer
	what     string
	terminal bool
	start    time.Time
	last     time.Time
}

func newProgress(w io.Writer, what string) *progress {
	now := time.Now()
	return &progress{w: w, what: what, terminal: isTerminal(w), start: now, last: now}
}

// update tells how much is done. total is 0 if it is not known; then no time left is shown.
// done and total have the same unit, records or bytes; records is what the rate counts.
func (p *progress) update(records, done, total int64) {
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	if now := time.Now(); now.Sub(p.last) >= every {
		p.last = now
		p.print(records, done, total)
	}
}

// finish prints the last state and ends the line.
func (p *progress) finish(records int64) {
	p.print(records, 0, 0)
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}

func (p *progress) print(records, done, total int64) {
	elapsed := time.Since(p.start)
	rate := float64(records) / max(elapsed.Seconds(), 0.001)
	line := fmt.Sprintf("%s %d records, %.0f/s", p.what, records, rate)
	if total > 0 && done > 0 && done < total {
		left := time.Duration(float64(elapsed) * float64(total-done) / float64(done))
		line += fmt.Sprintf(", %d %%, %s left", done*100/total, left.Round(time.Second))
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

// isTerminal reports whether w is a terminal that understands control sequences.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || os.Getenv("NO_COLOR") != "" {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
