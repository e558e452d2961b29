package respond

import (
	"errors"
	"fmt"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
)

// Config is what a user may set about carrying responses out.
type Config struct {
	// MaxAge is how long an intent may have lain on its topic; an older one is refused as
	// stale and decided again, so that an outage does not end in a storm. It must be
	// positive. Default 5m.
	MaxAge config.Duration `yaml:"max_age"`
	// MaxAttempts bounds the tries of an effect, 1 to 100. Default 8.
	MaxAttempts int `yaml:"max_attempts"`
	// Backoff is the wait after the first failed try; it doubles up to MaxBackoff. A server
	// that says when to come back is obeyed where that is later. Default 1s and 5m.
	Backoff    config.Duration `yaml:"backoff"`
	MaxBackoff config.Duration `yaml:"max_backoff"`
	// PollEvery is the pace at which an effect that a vendor accepted is looked at. Default 5s.
	PollEvery config.Duration `yaml:"poll_every"`
	// VerifyFor is how long an effect may take until it can be seen; after that a person has
	// to look. Default 15m.
	VerifyFor config.Duration `yaml:"verify_for"`
	// UndoFor is how long taking an effect back is tried. Default 24h.
	UndoFor config.Duration `yaml:"undo_for"`
	// Grace is how much longer than the lease the vendor's own expiry is set, so that ours
	// comes first while riposte lives. Default 1m.
	Grace config.Duration `yaml:"grace"`
	// Keep is how long a lease that ended stays in memory, to recognise its intent if that
	// is wanted again. Default 24h.
	Keep config.Duration `yaml:"keep"`
}

// Default returns the configuration that holds where nothing is set.
func Default() Config {
	return Config{
		MaxAge: config.Duration(5 * time.Minute), MaxAttempts: 8,
		Backoff: config.Duration(time.Second), MaxBackoff: config.Duration(5 * time.Minute),
		PollEvery: config.Duration(5 * time.Second), VerifyFor: config.Duration(15 * time.Minute),
		UndoFor: config.Duration(24 * time.Hour), Grace: config.Duration(time.Minute), Keep: config.Duration(24 * time.Hour),
	}
}

// Validate returns every problem of the configuration, joined, each with the key's name.
func (c *Config) Validate() error {
	var errs []error
	for _, d := range []struct {
		name  string
		value config.Duration
	}{
		{"max_age", c.MaxAge},
		{"backoff", c.Backoff},
		{"max_backoff", c.MaxBackoff},
		{"poll_every", c.PollEvery},
		{"verify_for", c.VerifyFor},
		{"undo_for", c.UndoFor},
		{"keep", c.Keep},
	} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be positive", d.name))
		}
	}
	if c.Grace < 0 {
		errs = append(errs, errors.New("grace: must not be negative"))
	}
	if c.MaxAttempts < 1 || c.MaxAttempts > 100 {
		errs = append(errs, errors.New("max_attempts: must be 1 to 100"))
	}
	return errors.Join(errs...)
}

// wait is how long to wait after the attempt-th failed try of an intent. The last eighth
// depends on the intent, so that a thousand leases do not come back in one moment.
func (c *Config) wait(id pipeline.ID, attempt uint16) time.Duration {
	d := time.Duration(c.Backoff)
	for range min(int(attempt)-1, 32) {
		if d *= 2; d >= time.Duration(c.MaxBackoff) {
			d = time.Duration(c.MaxBackoff)
			break
		}
	}
	return d - d/8*time.Duration(id[0])/256
}
