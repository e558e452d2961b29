package correlate

import (
	"errors"
	"fmt"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Config is what a stage is built from. Start from Default.
type Config struct {
	// Rules are the correlations. Nil: none, each detection alerts by itself.
	Rules *Set
	// Lateness is how much later than others a signal may arrive and still be treated as if
	// it had come in order. In [0, 192h]. Default 5m.
	Lateness time.Duration
	// Fold is the silence after which a further match of the same detection on the same
	// group is a new alert instead of a repetition. In [1s, 90d]. Default 1h.
	Fold time.Duration
	// Quiet is the highest severity_id of detections that do not alert by themselves and
	// are only there to be counted. Default 1, informational.
	Quiet uint8
	// Budget is how many bytes of state the partition may take. At least 1 MiB.
	// Default 256 MiB.
	Budget int
	// RuleShare and TenantShare are how much of Budget one rule and one tenant may take, so
	// that a flood in one cannot push out what others wait for. In (0, 1]. Default 0.5.
	RuleShare, TenantShare float64
	// KeyShare is how much of Budget one group of one rule may take; its oldest signals go
	// first. In (0, 1]. Default 1/64.
	KeyShare float64
	// Storm is how many alerts of one rule per hour of event time and partition may open
	// incidents; further ones are told as folded. 0: no limit. Default 200.
	Storm int
	// Noise is what keeps alerts from opening incidents, and how they are grouped.
	Noise
}

// Default returns the configuration without rules.
func Default() Config {
	return Config{
		Lateness: 5 * time.Minute, Fold: time.Hour, Quiet: 1, Budget: 256 << 20,
		RuleShare: 0.5, TenantShare: 0.5, KeyShare: 1.0 / 64, Storm: 200, Noise: DefaultNoise(),
	}
}

// Validate reports everything that is out of range.
func (c *Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("correlate: "+format, args...))
		}
	}
	bad(c.Lateness < 0 || c.Lateness > pipeline.MaxLateness, "lateness %s: want 0 to 192h", c.Lateness)
	bad(c.Fold < minSpan || c.Fold > maxSpan, "fold %s: want 1s to 90d", c.Fold)
	bad(c.Budget < 1<<20, "budget %d: want at least 1 MiB", c.Budget)
	bad(c.RuleShare <= 0 || c.RuleShare > 1, "rule share %g: want more than 0, at most 1", c.RuleShare)
	bad(c.TenantShare <= 0 || c.TenantShare > 1, "tenant share %g: want more than 0, at most 1", c.TenantShare)
	bad(c.KeyShare <= 0 || c.KeyShare > 1, "key share %g: want more than 0, at most 1", c.KeyShare)
	bad(c.Storm < 0, "storm %d: want 0 or more", c.Storm)
	if err := c.Noise.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("correlate: %w", err))
	}
	return errors.Join(errs...)
}
