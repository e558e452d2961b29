// Package log is the connector that writes a structured log line for each action: the
// simplest way to see what riposte wants, and to hand it to whatever reads logs.
package log

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
)

// Config is what a user may set about the log connector.
type Config struct {
	// Level is the level of the lines: debug, info, warn or error. Default info.
	Level string `yaml:"level"`
}

// Default returns the configuration that holds where nothing is set.
func Default() Config { return Config{Level: "info"} }

// Validate returns what is wrong with the configuration.
func (c *Config) Validate() error {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.Level)); err != nil {
		return fmt.Errorf("level: %w", err)
	}
	return nil
}

// Sink is the connector. It is safe for concurrent use.
type Sink struct {
	handler slog.Handler
	level   slog.Level
	now     func() time.Time
}

var _ pipeline.Responder = (*Sink)(nil)

// New returns the connector, which writes to handler. now is the clock, time.Now in programs.
func New(cfg Config, handler slog.Handler, now func() time.Time) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	s := &Sink{handler: handler, now: now}
	return s, s.level.UnmarshalText([]byte(cfg.Level))
}

// Actions returns notify.log. A line that is written twice carries the same intent id, by
// which a reader knows it.
func (*Sink) Actions() []pipeline.ActionSpec {
	var all []pipeline.EntityKind
	for k := pipeline.EntityHost; k.String() != "?"; k++ {
		all = append(all, k)
	}
	return []pipeline.ActionSpec{{
		Name: "notify.log", Effect: pipeline.EffectNotify, Idempotency: pipeline.IdemExternalID,
		Targets: all, Undo: true, Timeout: 5 * time.Second,
	}}
}

// Check cannot tell: nobody reads a log back.
func (*Sink) Check(context.Context, pipeline.Action) (pipeline.State, error) {
	return pipeline.State{State: pipeline.StateUnknown}, nil
}

// Apply writes the line.
func (s *Sink) Apply(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	return s.write(ctx, "response", &a, pipeline.StateInPlace)
}

// Undo writes a line that takes the earlier one back.
func (s *Sink) Undo(ctx context.Context, a pipeline.Action) (pipeline.State, error) {
	return s.write(ctx, "response withdrawn", &a, pipeline.StateAbsent)
}

func (s *Sink) write(ctx context.Context, message string, a *pipeline.Action, state string) (pipeline.State, error) {
	if a.Name != "notify.log" {
		return pipeline.State{}, pipeline.AsReject(reasonAction, errors.New("log: no action "+a.Name))
	}
	if !s.handler.Enabled(ctx, s.level) {
		return pipeline.State{State: state}, nil
	}
	r := slog.NewRecord(s.now(), s.level, message, 0)
	r.AddAttrs(
		slog.String("intent", a.Intent.String()), slog.String("incident", a.Incident.String()),
		slog.String("tenant", a.Tenant), slog.Int("priority", int(a.Priority)),
		slog.String("target_kind", a.Target.Kind), slog.String("target", a.Target.Value),
		slog.Int("attempt", int(a.Attempt)), slog.Bool("demo", a.Demo),
	)
	for _, key := range []string{"title", "summary", "body", "comment"} {
		if text, ok := a.Text[key]; ok {
			r.AddAttrs(slog.String(key, text))
		}
	}
	if err := s.handler.Handle(ctx, r); err != nil {
		return pipeline.State{}, classify(err)
	}
	return pipeline.State{State: state}, nil
}
