package sample

import (
	"errors"
	"fmt"
	"time"
)

// Config says what traffic to make. Start from [Default].
type Config struct {
	// Seed chooses the organisation, its habits and the order of everything.
	Seed uint64
	// Start is where virtual time begins: the arrival time of the first record. It must be
	// set. For live use it is the time of day at which the program starts.
	Start time.Time
	// Rate is the records per second of virtual time at the busiest hour, in (0, 10e6].
	// Nights and weekends go down to about half of it. Stories come on top, a few records a second.
	Rate float64
	// Hosts and Users are the size of the organisation, each in [20, 20000].
	Hosts, Users int
	// StoryEvery is the time between two starts of the same attack story, each time with
	// other victims; at least one minute. Zero means no stories.
	StoryEvery time.Duration
	// DuplicatesPerMille of the records are delivered a second time, byte for byte, within
	// ten seconds. In [0, 500].
	DuplicatesPerMille int
	// BrokenPerMille of the background records are not events: cut off, or no JSON at all.
	// In [0, 500].
	BrokenPerMille int
	// Records ends the traffic after that many records; zero means no such end.
	Records uint64
	// Duration ends the traffic when virtual time has passed that much; zero means no such end.
	Duration time.Duration
}

// Default returns the configuration of `riposte up` without a Start: 200 records per
// second, 500 hosts and users, each story every ten minutes, 3 per mille duplicates and
// 1 per mille broken lines, without end.
func Default() Config {
	return Config{
		Seed: 1, Rate: 200, Hosts: 500, Users: 500, StoryEvery: 10 * time.Minute,
		DuplicatesPerMille: 3, BrokenPerMille: 1,
	}
}

// Validate reports the first value that is out of its range.
func (c Config) Validate() error {
	switch {
	case c.Start.IsZero():
		return errors.New("sample: start is not set")
	case !(c.Rate > 0 && c.Rate <= 10e6):
		return fmt.Errorf("sample: rate %v is not in (0, 10000000]", c.Rate)
	case c.Hosts < 20 || c.Hosts > 20000:
		return fmt.Errorf("sample: %d hosts are not in [20, 20000]", c.Hosts)
	case c.Users < 20 || c.Users > 20000:
		return fmt.Errorf("sample: %d users are not in [20, 20000]", c.Users)
	case c.StoryEvery != 0 && c.StoryEvery < time.Minute:
		return fmt.Errorf("sample: story every %v is less than a minute", c.StoryEvery)
	case c.DuplicatesPerMille < 0 || c.DuplicatesPerMille > 500:
		return fmt.Errorf("sample: %d per mille duplicates are not in [0, 500]", c.DuplicatesPerMille)
	case c.BrokenPerMille < 0 || c.BrokenPerMille > 500:
		return fmt.Errorf("sample: %d per mille broken lines are not in [0, 500]", c.BrokenPerMille)
	case c.Duration < 0:
		return fmt.Errorf("sample: duration %v is negative", c.Duration)
	}
	return nil
}
