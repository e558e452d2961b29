package pipeline

import "time"

// Millis is a point in time: milliseconds since 1970-01-01 UTC, the unit of OCSF and of
// Kafka. Zero means "not known".
type Millis int64

// MillisOf converts t, cutting off what is finer than a millisecond.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time converts to a time.Time in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Add returns m + d, cutting off what is finer than a millisecond.
func (m Millis) Add(d time.Duration) Millis { return m + Millis(d/time.Millisecond) }

// Sub returns m - o.
func (m Millis) Sub(o Millis) time.Duration { return time.Duration(m-o) * time.Millisecond }

// The band around the broker's time inside which a source's clock is believed
// (DESIGN section 3): outside of it the event gets the broker's time and FlagClockSkew.
const (
	MaxPast   = 7 * 24 * time.Hour
	MaxFuture = 5 * time.Minute
)

// MaxLateness is the most that may be waited for what is late: more than the distance of
// any two event times that are believed at one moment, so that with it nothing is late. A
// replay of files, which come one after the other, needs that.
const MaxLateness = MaxPast + 24*time.Hour

// Clamp returns the event time to use for an event that claims at and was appended at
// ingested, and whether the claim was outside [ingested - MaxPast, ingested + MaxFuture]
// and was replaced by ingested. A claim of zero is replaced too.
func Clamp(at, ingested Millis) (Millis, bool) {
	if at == 0 || at < ingested.Add(-MaxPast) || at > ingested.Add(MaxFuture) {
		return ingested, true
	}
	return at, false
}
