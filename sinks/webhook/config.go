package webhook

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
)

// Config is what a user may set about a webhook.
type Config struct {
	// URL is where deliveries are posted: https, or http if Internal is set. It is required.
	URL string `yaml:"url"`
	// Keys sign the deliveries, all of them: to change a key add the new one, let the
	// receiver take it up, then remove the old one. One or two are required.
	Keys []Key `yaml:"keys"`
	// Internal allows receivers on loopback, private and link-local addresses, and http.
	// Default false: an address that a name resolves to is refused if it is one of these.
	Internal bool `yaml:"internal"`
	// Timeout bounds a delivery from dialling to the last byte of the answer. It must be in
	// (0, 2m]. Default 10s.
	Timeout config.Duration `yaml:"timeout"`
	// AtMostOnce is for a receiver that does not know a repeated Riposte-Id: a delivery in
	// doubt is then left to a person instead of being repeated. Default false.
	AtMostOnce bool `yaml:"at_most_once"`
	// Actions are what the receiver does. Default: ticket.open, page.send, user.suspend,
	// key.disable and endpoint.isolate; the last three with Check.
	Actions []Action `yaml:"actions"`
}

// Key is a key that signs deliveries.
type Key struct {
	// ID names the key to the receiver. It is required.
	ID string `yaml:"id"`
	// Secret is the key. At least 16 bytes are required.
	Secret config.Secret `yaml:"secret"`
}

// Action is something that the receiver does.
type Action struct {
	// Name is the action's name, such as ticket.open.
	Name string `yaml:"name"`
	// Effect is notify, block, contain, identity or destroy.
	Effect pipeline.Effect `yaml:"effect"`
	// Targets are the kinds of entities that it takes. Default: all.
	Targets []string `yaml:"targets"`
	// Check says that the receiver answers the verb check. Default false.
	Check bool `yaml:"check"`
	// Undo says that the receiver answers the verb undo. Default false: approval is forced.
	Undo bool `yaml:"undo"`
}

const minKey = 16

var (
	reAction = regexp.MustCompile(`^[a-z]{2,20}\.[a-z_]{2,30}$`)
	reKeyID  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
)

// Default returns the configuration that holds where nothing is set. URL and Keys are not.
func Default() Config {
	return Config{
		Timeout: config.Duration(10 * time.Second),
		Actions: []Action{
			{Name: "ticket.open", Effect: pipeline.EffectNotify, Undo: true},
			{Name: "page.send", Effect: pipeline.EffectNotify, Undo: true},
			{Name: "user.suspend", Effect: pipeline.EffectIdentity, Targets: []string{"user"}, Check: true, Undo: true},
			{Name: "key.disable", Effect: pipeline.EffectIdentity, Targets: []string{"key"}, Check: true, Undo: true},
			{Name: "endpoint.isolate", Effect: pipeline.EffectContain, Targets: []string{"host"}, Check: true, Undo: true},
		},
	}
}

// Validate returns every problem of the configuration, joined, each with the key's name.
func (c *Config) Validate() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "":
		bad(true, "url: want an absolute URL")
	case u.User != nil:
		bad(true, "url: no credentials in it, deliveries are signed")
	default:
		bad(u.Scheme != "https" && (u.Scheme != "http" || !c.Internal), "url: want https (http is for internal receivers)")
	}
	bad(len(c.Keys) < 1 || len(c.Keys) > 2, "keys: want one or two")
	for i, k := range c.Keys {
		bad(!reKeyID.MatchString(k.ID), "keys[%d].id: want letters, digits, - and _", i)
		bad(k.Secret.IsZero(), "keys[%d].secret: is missing", i)
	}
	bad(c.Timeout <= 0 || time.Duration(c.Timeout) > 2*time.Minute, "timeout: must be in (0, 2m]")
	bad(len(c.Actions) == 0, "actions: want at least one")
	for i := range c.Actions {
		errs = append(errs, c.Actions[i].validate(i))
	}
	return errors.Join(errs...)
}

func (a *Action) validate(i int) error {
	if !reAction.MatchString(a.Name) {
		return fmt.Errorf("actions[%d].name: %q is no action, want one such as ticket.open", i, a.Name)
	}
	if a.Effect != pipeline.EffectNotify && !a.Effect.Containing() {
		return fmt.Errorf("actions[%d].effect: %q is none of notify, block, contain, identity, destroy", i, a.Effect)
	}
	for _, t := range a.Targets {
		if pipeline.EntityKindOf(t) == pipeline.EntityNone {
			return fmt.Errorf("actions[%d].targets: %q is no kind of entity", i, t)
		}
	}
	return nil
}

// spec makes what the engine knows of an action.
func (c *Config) spec(a *Action) pipeline.ActionSpec {
	s := pipeline.ActionSpec{
		Name: a.Name, Effect: a.Effect, Undo: a.Undo, Idempotency: pipeline.IdemExternalID,
		Timeout: time.Duration(c.Timeout) + time.Second, // ours comes first and says more
	}
	switch {
	case a.Check:
		s.Idempotency = pipeline.IdemState
	case c.AtMostOnce:
		s.Idempotency = pipeline.IdemNone
	}
	for _, t := range a.Targets {
		s.Targets = append(s.Targets, pipeline.EntityKindOf(t))
	}
	if len(a.Targets) == 0 {
		for k := pipeline.EntityHost; k.String() != "?"; k++ {
			s.Targets = append(s.Targets, k)
		}
	}
	return s
}
