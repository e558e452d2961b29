package main

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/riposte-sec/riposte/bench/oracle"
)

// A run has settled when nothing was committed for quiet. A report that is off then is
// given up after patience without anything new: retries of calls and inserts back off for
// that long.
const (
	quiet    = 4 * time.Second
	patience = 90 * time.Second
	rejudge  = 10 * time.Second // reading everything again is not free
)

// episodesEnd waits until the watermark has passed the end of every episode: what is absent
// is told then, and the last revision of each alert.
func episodesEnd(ctx context.Context, s *stack) error {
	longest := time.Duration(0)
	for _, c := range oracle.Correlations() {
		longest = max(longest, 2*c.Span)
	}
	return pause(ctx, s.lateness+longest+2*time.Second)
}

// settle waits until the pipeline has drained and returns the oracle's report.
func settle(ctx context.Context, s *stack, truth *oracle.Truth, want oracle.Expect) (*oracle.Report, error) {
	var deadline time.Time
	var before map[string]map[int32]int64
	for {
		ends, err := still(ctx, s.topics())
		if err != nil {
			return nil, err
		}
		if !maps.EqualFunc(ends, before, maps.Equal) {
			before, deadline = ends, time.Now().Add(patience)
		}
		report, err := s.judge(ctx, truth, want)
		if err != nil {
			return nil, err
		}
		if report.OK() {
			return report, nil
		}
		say(s.out, "not settled yet: %s", report.Line())
		if time.Now().After(deadline) {
			return report, nil
		}
		if err := pause(ctx, rejudge); err != nil {
			return nil, err
		}
	}
}

// still returns the ends of all topics once they did not move for quiet.
func still(ctx context.Context, at oracle.Topics) (before map[string]map[int32]int64, err error) {
	since := time.Now()
	for time.Since(since) < quiet {
		ends, err := at.Ends(ctx)
		if err != nil {
			return nil, err
		}
		if !maps.EqualFunc(ends, before, maps.Equal) {
			before, since = ends, time.Now()
		}
		if err := pause(ctx, 500*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return before, nil
}

func (s *stack) judge(ctx context.Context, truth *oracle.Truth, want oracle.Expect) (*oracle.Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("reading the outputs took 10 minutes"))
	defer cancel()
	seen, err := oracle.Read(ctx, s.topics())
	if err != nil {
		return nil, err
	}
	s.clickhouseAway.Lock() // it may be on its way back
	err = seen.ReadRows(ctx, s.clickhouseHTTP)
	s.clickhouseAway.Unlock()
	if err != nil {
		return nil, err
	}
	if err := seen.ReadEffects(s.effects); err != nil {
		return nil, err
	}
	report := oracle.Check(truth, seen, want)
	report.Kills = int(s.kills.Load())
	return report, nil
}
