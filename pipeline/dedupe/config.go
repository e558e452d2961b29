package dedupe

import (
	"fmt"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Config sizes a Stage. Use Default and change what must differ.
type Config struct {
	// TTL is how long an event is remembered at least, in append time. It must be in
	// [1m, 7d]. Default 24h: shippers resend what they could not deliver for a day.
	TTL time.Duration
	// Budget is how many bytes the table of one partition may take. It must be at least
	// 1 MiB. Default 64 MiB: some 800,000 events.
	Budget int
	// Lateness is how much older than the newest event of the partition an event may be
	// before it is marked late. It must be in [0, 192h]. Default 5m.
	Lateness time.Duration
}

// Default returns the default configuration.
func Default() Config {
	return Config{TTL: 24 * time.Hour, Budget: 64 << 20, Lateness: 5 * time.Minute}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.TTL < time.Minute || c.TTL > 7*24*time.Hour:
		return fmt.Errorf("dedupe: ttl %v is not in [1m, 168h]", c.TTL)
	case c.Budget < 1<<20:
		return fmt.Errorf("dedupe: budget of %d bytes is less than 1 MiB", c.Budget)
	case c.Lateness < 0 || c.Lateness > pipeline.MaxLateness:
		return fmt.Errorf("dedupe: lateness %v is not in [0, 192h]", c.Lateness)
	}
	return nil
}
