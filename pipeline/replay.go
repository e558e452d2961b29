package pipeline

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReplayClock is the time of a replay of old records. A broker's append time says nothing
// about such a record, and differs when the replay is repeated. So each record carries the
// moment at which the replay began, which stands for its append time, and by how much its
// event time is moved. Both are the same for every record of a replay.
type ReplayClock struct {
	Start Millis
	Shift time.Duration // whole milliseconds
}

// AppendText appends the value of HeaderReplay: "<start> <shift>", both in milliseconds.
func (c ReplayClock) AppendText(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(c.Start), 10)
	return strconv.AppendInt(append(dst, ' '), c.Shift.Milliseconds(), 10)
}

// maxShift bounds a shift to a century, so that no sum overflows.
const maxShift = 100 * 366 * 24 * time.Hour

// ParseReplayClock reads the value of HeaderReplay. It reports false if it is none.
func ParseReplayClock(text []byte) (ReplayClock, bool) {
	start, shift, found := strings.Cut(View(text), " ")
	ms, err1 := strconv.ParseInt(start, 10, 64)
	by, err2 := strconv.ParseInt(shift, 10, 64)
	limit := maxShift.Milliseconds()
	if !found || err1 != nil || err2 != nil || ms <= 0 || ms > 4*limit || by < -limit || by > limit {
		return ReplayClock{}, false
	}
	return ReplayClock{Start: Millis(ms), Shift: time.Duration(by) * time.Millisecond}, true
}

// ReplayTimes collects the event times that the records of a replay claim, to choose its
// clock. The zero value is ready to use. Not safe for concurrent use.
type ReplayTimes struct {
	oldest, newest Millis
	hours          map[int64]int // hour since 1970 -> records
}

const hour = Millis(time.Hour / time.Millisecond)

// Add adds the time of a record; zero, a record without one, is not counted.
func (r *ReplayTimes) Add(at Millis) {
	if at == 0 {
		return
	}
	if r.hours == nil {
		r.hours, r.oldest = make(map[int64]int), at
	}
	r.oldest, r.newest = min(r.oldest, at), max(r.newest, at)
	r.hours[int64(at/hour)]++
}

// Clock returns the clock of a replay that begins at start. If Clamp believes all times at
// start, they are kept. Otherwise the seven days that hold most records, the last of equal
// ones, are moved to end at start, and keep their distances; Clamp replaces the others.
func (r *ReplayTimes) Clock(start Millis) ReplayClock {
	c := ReplayClock{Start: start}
	_, first := Clamp(r.oldest, start)
	_, last := Clamp(r.newest, start)
	if len(r.hours) == 0 || !first && !last {
		return c
	}
	const span = int64(MaxPast / time.Hour)
	hours := slices.Sorted(maps.Keys(r.hours))
	best, end, within, from := 0, int64(0), 0, 0
	for _, h := range hours {
		within += r.hours[h]
		for ; hours[from] <= h-span; from++ {
			within -= r.hours[hours[from]]
		}
		if within >= best {
			best, end = within, h+1
		}
	}
	c.Shift = max(-maxShift, min(start.Sub(Millis(end)*hour), maxShift))
	return c
}
