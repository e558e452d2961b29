package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/riposte-sec/riposte/bench/line"
)

// ingestRatio is n1.
func ingestRatio(ctx context.Context, s *suite) (float64, error) {
	bare, err := s.program(ctx, "bare", "-topic", rawTopic, "-out", "bare", "-group", fmt.Sprintf("bare%d", s.round), "-records", strconv.Itoa(s.o.records))
	if err != nil {
		return 0, err
	}
	s.said("bare", bare)
	once, err := s.once(ctx)
	if err != nil {
		return 0, err
	}
	return once.PerCPUSecond() / bare.PerCPUSecond(), nil
}

// onceRatio is n5.
func onceRatio(ctx context.Context, s *suite) (float64, error) {
	least, err := s.program(ctx, "lane", "-mode", "alo", "-topic", rawTopic, "-stage", fmt.Sprintf("alo%d", s.round), "-records", strconv.Itoa(s.o.records))
	if err != nil {
		return 0, err
	}
	s.said("at-least-once", least)
	once, err := s.once(ctx)
	if err != nil {
		return 0, err
	}
	return once.PerCPUSecond() / least.PerCPUSecond(), nil
}

// once is the exactly-once run of a round; n1 and n5 share it.
func (s *suite) once(ctx context.Context) (line.Cost, error) {
	if c, done := s.costs[fmt.Sprintf("exactly-once/%d", s.round)]; done {
		return c, nil
	}
	s.state = fmt.Sprintf("once%d", s.round)
	c, err := s.program(ctx, "lane", "-mode", "eos", "-topic", rawTopic, "-stage", s.state, "-records", strconv.Itoa(s.o.records))
	if err != nil {
		return c, err
	}
	s.said("exactly-once", c)
	return c, nil
}
