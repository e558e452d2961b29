package decide

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
)

// Config is what a user may set about decisions. What bounds responses stands here and not
// in a bundle: no policy can raise it.
type Config struct {
	// Mode is off, shadow, approve_all or enforce. It is the most that any step gets.
	// Default enforce.
	Mode string `yaml:"mode"`
	// DryRun decides everything and lets nothing be carried out. Default false.
	DryRun bool `yaml:"dry_run"`
	// Freeze makes every containing step wait for a person. Default false.
	Freeze bool `yaml:"freeze"`
	// Idle is how long, in event time, an incident takes further alerts after the last fact.
	// A later alert of the same group opens a new one. It must be positive. Default 24h.
	Idle config.Duration `yaml:"idle"`
	// Forget is how long, in append time, an incident without a lease in place stays in
	// memory after its last fact. It must be at least Idle. Default 168h.
	Forget config.Duration `yaml:"forget"`
	// MaxSteps bounds the steps that an incident ever has, 1 to 64. Default 64.
	MaxSteps int `yaml:"max_steps"`
	// MaxEvaluations bounds how often an incident's policy is asked without a person taking
	// part, 1 to 1024. Default 64.
	MaxEvaluations int `yaml:"max_evaluations"`
	// MaxPerMinute bounds the evaluations of an incident per minute of event time; what is
	// over waits for the next minute. It must be positive. Default 8.
	MaxPerMinute int `yaml:"max_per_minute"`
	// HourlyCap is how many containing intents of an action a tenant gets per hour of event
	// time without a person; "*" is the cap of actions that are not named. It is divided by
	// Partitions, rounded up. Default: * 25, ip.block 200, domain.block 100, url.block 100.
	HourlyCap map[string]int `yaml:"hourly_cap"`
	// Partitions is the number of partitions of the facts topic, over which HourlyCap is
	// spread. It must be positive. Default 1.
	Partitions int `yaml:"partitions"`
	// Never lists what no response may touch, Ask what none may touch without a person: an
	// address or prefix, or "<kind>:<value>" of an entity, "domain:" also covers names below
	// it, or "class:<class>" of assets that the context knows. The engine's own list (loopback, private and link-local networks, multicast, ...)
	// holds beside Never always.
	Never []string `yaml:"never"`
	Ask   []string `yaml:"ask"`
	// Private lists private prefixes that may be blocked all the same.
	Private []string `yaml:"private"`
	// Spoofable names sources whose sender is not authenticated, such as syslog over UDP:
	// alone they start no containment. Default: syslog.
	Spoofable []string `yaml:"spoofable"`
	// Routes names the connector that carries out an action, where several could. Default:
	// the first one by name.
	Routes map[string]string `yaml:"routes"`
}

// Default returns the configuration that holds where nothing is set.
func Default() Config {
	return Config{
		Mode: "enforce", Idle: config.Duration(24 * time.Hour), Forget: config.Duration(168 * time.Hour),
		MaxSteps: 64, MaxEvaluations: 64, MaxPerMinute: 8, Partitions: 1,
		HourlyCap: map[string]int{"*": 25, "ip.block": 200, "domain.block": 100, "url.block": 100},
		Spoofable: []string{"syslog"},
	}
}

// Validate returns every problem of the configuration, joined, each with the key's name.
func (c *Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(slices.Contains([]string{"off", "shadow", "approve_all", "enforce"}, c.Mode),
		"mode: %q is none of off, shadow, approve_all, enforce", c.Mode)
	check(c.Idle > 0, "idle: must be positive")
	check(c.Forget >= c.Idle, "forget: must be at least idle")
	check(c.MaxSteps >= 1 && c.MaxSteps <= 64, "max_steps: must be 1 to 64")
	check(c.MaxEvaluations >= 1 && c.MaxEvaluations <= 1024, "max_evaluations: must be 1 to 1024")
	check(c.MaxPerMinute >= 1, "max_per_minute: must be positive")
	check(c.Partitions >= 1, "partitions: must be positive")
	for a, n := range c.HourlyCap {
		check(n >= 0, "hourly_cap.%s: must not be negative", a)
	}
	for _, p := range c.Private {
		_, err := netip.ParsePrefix(p)
		check(err == nil, "private: %v", err)
	}
	for _, list := range [][]string{c.Never, c.Ask} {
		for _, e := range list {
			_, err := parseRule(e)
			check(err == nil, "never, ask: %v", err)
		}
	}
	return errors.Join(errs...)
}

// Parts is what a stage is made with beside its configuration. All of it is shared between
// partitions and read only.
type Parts struct {
	Decide Policy // of DocumentDecide
	Guard  Policy // of DocumentGuard
	// Connectors are the actions that each connector offers, by the connector's name.
	Connectors map[string][]pipeline.ActionSpec
}
