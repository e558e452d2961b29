package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/normalise"
	"github.com/riposte-sec/riposte/sources/all"
)

// fields are 20 of the paths that the mapping of Suricata reads.
var fields = strings.Fields(`timestamp event_type src_ip src_port dest_ip dest_port proto flow_id app_proto
	alert.signature alert.signature_id alert.severity alert.category alert.action
	http.hostname http.url http.http_method http.http_user_agent flow.bytes_toserver flow.bytes_toclient`)

// batchSize is what a lane gives a stage at a time.
const batchSize = 512

// parserRatio is n10: encoding/json into a map and 20 look-ups, against the parser, which
// checks the same bytes and reads every value that the mapping asks for. The whole normalise
// stage, which also makes identity, attributes and entities, is told beside it. All take the
// best of interleaved turns: other programs share the machine.
func parserRatio(ctx context.Context, s *suite) (float64, error) {
	records, err := samples(batchSize)
	if err != nil {
		return 0, err
	}
	compiled, err := normalise.New(all.Formats())
	if err != nil {
		return 0, err
	}
	parser, ok := compiled.Parser("suricata")
	if !ok {
		return 0, errors.New("no parser for suricata")
	}
	p := parsers{records: records, stage: compiled.Stage("suricata"), parser: parser}
	for _, f := range fields {
		p.paths = append(p.paths, strings.Split(f, "."))
	}
	own, whole, std := time.Hour, time.Hour, time.Hour
	for range 25 {
		for _, turn := range []struct {
			best *time.Duration
			run  func(context.Context) error
		}{{&own, p.parse}, {&whole, p.own}, {&std, p.standard}} {
			began := time.Now()
			if err := turn.run(ctx); err != nil {
				return 0, err
			}
			*turn.best = min(*turn.best, time.Since(began))
		}
	}
	fmt.Fprintf(s.out, "  parser: %d ns per event of %d bytes; whole normalise stage %d ns; encoding/json %d ns\n",
		own/batchSize, len(records[0].Value), whole/batchSize, std/batchSize)
	return float64(std) / float64(own), nil
}

// parsers are the two ways to read the same records.
type parsers struct {
	records []pipeline.Record
	stage   pipeline.Stage
	parser  *normalise.Parser
	batch   pipeline.Batch
	paths   [][]string
}

func (p *parsers) own(ctx context.Context) error {
	b := &p.batch
	b.Reset()
	b.Topic, b.Tenant = rawTopic, "default"
	b.In = append(b.In, p.records...)
	if err := p.stage.Process(ctx, b); err != nil {
		return err
	}
	if len(b.Events) != len(p.records) {
		return fmt.Errorf("%d of %d records became events", len(b.Events), len(p.records))
	}
	return nil
}

func (p *parsers) parse(context.Context) error {
	for i := range p.records {
		if found, reason := p.parser.Parse(p.records[i].Value); found < len(p.paths) || reason != "" {
			return fmt.Errorf("the parser found %d values, want at least %d (%s)", found, len(p.paths), reason)
		}
	}
	return nil
}

func (p *parsers) standard(context.Context) error {
	for i := range p.records {
		var object map[string]any
		if err := json.Unmarshal(p.records[i].Value, &object); err != nil {
			return err
		}
		for _, path := range p.paths {
			var v any = object
			for _, name := range path {
				m, _ := v.(map[string]any)
				v = m[name]
			}
			if v == nil {
				return fmt.Errorf("no %s in a record", strings.Join(path, "."))
			}
		}
	}
	return nil
}

// samples returns n ordinary records.
func samples(n int) ([]pipeline.Record, error) {
	g, err := oracle.New(oracle.Plan{Seed: 1, Records: n, Keys: 500, Back: 1})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	records := make([]pipeline.Record, n)
	for i := range records {
		r, _ := g.Next(now)
		records[i] = pipeline.Record{Offset: int64(i), Time: pipeline.MillisOf(now), Key: []byte(r.Key), Value: r.Value}
	}
	return records, nil
}
