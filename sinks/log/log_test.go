package log_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/sinks/log"
	"github.com/riposte-sec/riposte/sinks/sinktest"
)

func now() time.Time { return time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC) }

func newSink(tb testing.TB, h slog.Handler) *log.Sink {
	tb.Helper()
	s, err := log.New(log.Default(), h, now)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestSinkConforms(t *testing.T) {
	t.Parallel()
	sinktest.Conform(t, newSink(t, slog.DiscardHandler), func(s pipeline.ActionSpec) pipeline.EntityValue {
		return pipeline.EntityValue{Kind: s.Targets[0].String(), Value: "pc-1"}
	})
}

func TestActionIsOneStructuredLine(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	s := newSink(t, slog.NewJSONHandler(&buf, nil))
	id := pipeline.HashID("intent", "1")
	_, err := s.Apply(t.Context(), pipeline.Action{
		Intent: id, Name: "notify.log", Tenant: "t", Target: pipeline.EntityValue{Kind: "host", Value: "pc-1"}, Priority: 2,
		Text: map[string]string{"title": "first\nsecond \x1b[31m"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(buf.Bytes(), []byte{'\n'}); n != 1 {
		t.Errorf("%d lines, want 1: %s", n, &buf)
	}
	var line map[string]any
	if err := json.Unmarshal(buf.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"msg": "response", "intent": id.String(), "target": "pc-1", "priority": 2.0, "title": "first\nsecond \x1b[31m"} {
		if line[key] != want {
			t.Errorf("%s: got %v, want %v", key, line[key], want)
		}
	}
}

// broken is a handler that cannot write.
type broken struct{ slog.Handler }

func (broken) Enabled(context.Context, slog.Level) bool  { return true }
func (broken) Handle(context.Context, slog.Record) error { return errors.New("disk full") }

func TestLineThatMayBeHalfWrittenIsInDoubt(t *testing.T) {
	t.Parallel()
	_, err := newSink(t, broken{}).Apply(t.Context(), pipeline.Action{Name: "notify.log"})
	if fault, reason := pipeline.FaultOf(err); fault != pipeline.FaultUnknown || reason != "write" {
		t.Errorf("got %v %s, want unknown write", fault, reason)
	}
}

func TestUnknownLevelIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := log.New(log.Config{Level: "loud"}, slog.DiscardHandler, now); err == nil {
		t.Error("level loud was accepted")
	}
}
