package record

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// Converter turns blocks into rows and keeps the memory of its tables from block to block.
// It is used by one goroutine at a time.
type Converter struct {
	events    *events
	signals   *signals
	facts     *facts
	alerts    *alerts
	incidents *incidents
	decisions *decisions
	intents   *intents
	outcomes  *outcomes
	rejects   *rejects
	ledger    *ledger

	arena pipeline.Arena // unescaped strings of the block
}

// New returns a converter.
func New() *Converter {
	return &Converter{
		events: newEvents(), signals: newSignals(), facts: newFacts(), alerts: newAlerts(), incidents: newIncidents(),
		decisions: newDecisions(), intents: newIntents(), outcomes: newOutcomes(), rejects: newRejects(), ledger: newLedger(),
	}
}

// Topics are the topics that Convert knows.
func Topics() []string {
	return []string{
		pipeline.TopicEvents, pipeline.TopicSignals, pipeline.TopicFacts, pipeline.TopicDecisions,
		pipeline.TopicIntents, pipeline.TopicOutcomes, pipeline.TopicRejects, pipeline.TopicLedger,
	}
}

// Convert returns the rows of the block by table, without tables that have none. They belong
// to the converter and read right until the next call.
func (c *Converter) Convert(blk *pipeline.Block) []*columns.Table {
	add, tables := c.adder(blk.Topic)
	for _, t := range tables {
		t.Reset()
	}
	c.rejects.Reset()
	c.arena.Reset()
	for i := range blk.Records {
		r := &blk.Records[i]
		if err := add(blk, r); err != nil {
			c.rejects.unreadable(blk, r, err)
		}
	}
	if blk.Topic != pipeline.TopicRejects {
		tables = append(tables, &c.rejects.Table)
	}
	filled := tables[:0]
	for _, t := range tables {
		if t.Len() > 0 {
			filled = append(filled, t)
		}
	}
	return filled
}

// errTopic says that a block is of a topic that has no table.
var errTopic = errors.New("topic has no table")

// adder returns what makes rows of a record of the topic, and the tables that it fills. It
// leaves the tables as they are when it fails.
func (c *Converter) adder(topic string) (add func(*pipeline.Block, *pipeline.Record) error, tables []*columns.Table) {
	switch topic {
	case pipeline.TopicEvents:
		return c.addEvent, []*columns.Table{&c.events.Table}
	case pipeline.TopicSignals:
		return c.addSignal, []*columns.Table{&c.signals.Table}
	case pipeline.TopicFacts:
		return c.addFact, []*columns.Table{&c.facts.Table, &c.alerts.Table}
	case pipeline.TopicDecisions:
		return c.addRevision, []*columns.Table{&c.incidents.Table, &c.decisions.Table}
	case pipeline.TopicIntents:
		return c.addIntent, []*columns.Table{&c.intents.Table}
	case pipeline.TopicOutcomes:
		return c.addOutcome, []*columns.Table{&c.outcomes.Table}
	case pipeline.TopicRejects:
		return c.addReject, []*columns.Table{&c.rejects.Table}
	case pipeline.TopicLedger:
		return c.addAccount, []*columns.Table{&c.ledger.Table}
	}
	return func(*pipeline.Block, *pipeline.Record) error { return errTopic }, nil
}

func (c *Converter) addEvent(blk *pipeline.Block, r *pipeline.Record) error {
	e := &c.events.event
	if err := pipeline.DecodeEvent(r.Value, e, &c.arena); err != nil {
		return err
	}
	return c.events.add(blk, r, e)
}

func (c *Converter) addSignal(blk *pipeline.Block, r *pipeline.Record) error {
	if pipeline.IsControl(r) {
		return nil // it tells nothing of an event
	}
	s := &c.signals.signal
	if err := pipeline.DecodeSignal(r.Value, s, &c.arena); err != nil {
		return err
	}
	c.signals.add(blk, r, s)
	return nil
}

func (c *Converter) addFact(blk *pipeline.Block, r *pipeline.Record) error {
	var f pipeline.Fact
	if err := decode(r, &f); err != nil {
		return err
	}
	if f.Kind == pipeline.FactAlert && f.Alert == nil {
		return errors.New("fact of kind alert without an alert")
	}
	times, err := timesOf(r)
	if err != nil {
		return err
	}
	c.facts.add(blk, r, &f)
	if f.Alert != nil {
		c.alerts.add(blk, r, &f, times)
	}
	return nil
}

func (c *Converter) addRevision(blk *pipeline.Block, r *pipeline.Record) error {
	var v pipeline.Revision
	if err := decode(r, &v); err != nil {
		return err
	}
	var body struct {
		Decision json.RawMessage `json:"decision"` // the document as it came
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	times, err := timesOf(r)
	if err != nil {
		return err
	}
	c.incidents.add(blk, r, &v, times)
	c.decisions.add(blk, r, &v, body.Decision)
	return nil
}

func (c *Converter) addIntent(blk *pipeline.Block, r *pipeline.Record) error {
	var v pipeline.Intent
	if err := decode(r, &v); err != nil {
		return err
	}
	c.intents.add(blk, r, &v)
	return nil
}

func (c *Converter) addOutcome(blk *pipeline.Block, r *pipeline.Record) error {
	var v pipeline.Outcome
	if err := decode(r, &v); err != nil {
		return err
	}
	c.outcomes.add(blk, r, &v)
	return nil
}

func (c *Converter) addReject(blk *pipeline.Block, r *pipeline.Record) error {
	return c.rejects.add(blk, r)
}

func (c *Converter) addAccount(blk *pipeline.Block, r *pipeline.Record) error {
	var v pipeline.Account
	if err := decode(r, &v); err != nil {
		return err
	}
	return c.ledger.add(blk, r, &v)
}

// decode reads the JSON of a rare topic. Members that it does not know are of a newer
// writer and skipped.
func decode(r *pipeline.Record, into any) error {
	if err := json.Unmarshal(r.Value, into); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	return nil
}

// timesOf reads the header of times. A record without one tells none.
func timesOf(r *pipeline.Record) (pipeline.Times, error) {
	var t pipeline.Times
	h := r.Header(pipeline.HeaderTimes)
	if h == nil {
		return t, nil
	}
	if err := json.Unmarshal(h, &t); err != nil {
		return t, fmt.Errorf("header %s: %w", pipeline.HeaderTimes, err)
	}
	return t, nil
}
