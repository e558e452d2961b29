// Package all lists the connectors. Adding one is one line here.
package all

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sinks/edl"
	"github.com/riposte-sec/riposte/sinks/log"
	"github.com/riposte-sec/riposte/sinks/webhook"
)

// Env is what connectors get from the program.
type Env struct {
	Log        slog.Handler     // where the log connector writes
	Now        func() time.Time // the clock
	Partitions int              // of the intents topic
	Config     string           // name of the configuration, for errors; "" is "configuration"
}

// Sections are the parts of a configuration that connectors are made from, by their names.
type Sections = map[string]config.Section

// Kind is a connector that this program has.
type Kind struct {
	Name string
	// Default is the configuration that holds where nothing is set, a struct.
	Default any
	// New makes the connector from its section of the configuration, which may be empty.
	// Errors carry the line.
	New func(section config.Section, env Env) (pipeline.Responder, error)
}

// Kinds returns the connectors, by name.
func Kinds() []Kind {
	return []Kind{
		kind("edl", edl.Default, func(c edl.Config, e Env) (*edl.Sink, error) { c.Partitions = e.Partitions; return edl.New(c, e.Now) }),
		kind("log", log.Default, func(c log.Config, e Env) (*log.Sink, error) { return log.New(c, e.Log, e.Now) }),
		kind("webhook", webhook.Default, func(c webhook.Config, e Env) (*webhook.Sink, error) { return webhook.New(c, e.Now) }),
	}
}

func kind[C any, S pipeline.Responder](name string, def func() C, build func(C, Env) (S, error)) Kind {
	return Kind{Name: name, Default: def(), New: func(section config.Section, env Env) (pipeline.Responder, error) {
		c := def()
		if err := section.Decode(cmp.Or(env.Config, "configuration"), "sinks."+name, &c); err != nil {
			return nil, err
		}
		return build(c, env)
	}}
}

// New makes the connectors that sections has a section for, each under its name. It returns
// every problem, joined, and then no connector.
func New(sections Sections, env Env) (map[string]pipeline.Responder, error) {
	kinds := map[string]Kind{}
	for _, k := range Kinds() {
		kinds[k.Name] = k
	}
	out, errs := map[string]pipeline.Responder{}, []error(nil)
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		k, ok := kinds[name]
		if !ok {
			errs = append(errs, fmt.Errorf("sinks.%s: no such connector, there are %v", name, slices.Sorted(maps.Keys(kinds))))
			continue
		}
		r, err := k.New(sections[name], env)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out[name] = r
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}

// Actions returns what each connector offers, as the decide and the respond stage want it.
func Actions(connectors map[string]pipeline.Responder) map[string][]pipeline.ActionSpec {
	out := make(map[string][]pipeline.ActionSpec, len(connectors))
	for name, r := range connectors {
		out[name] = r.Actions()
	}
	return out
}
