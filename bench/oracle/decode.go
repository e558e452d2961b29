package oracle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// add takes one committed record into account.
func (o *Observed) add(topic string, r *kgo.Record) error {
	at := Position{topic, r.Partition, r.Offset}
	if slices.Contains(stored, topic) {
		o.Committed = append(o.Committed, at)
	}
	var err error
	switch topic {
	case "events":
		err = o.event(at, r)
	case "rejects":
		err = o.reject(at, r)
	case "signals":
		err = o.signal(at, r)
	case "facts":
		err = o.fact(at, r)
	case "intents":
		err = o.intent(at, r)
	case "ledger":
		err = o.account(at, r)
	default:
		if strings.HasPrefix(topic, "raw.") {
			err = o.input(at, r)
		}
	}
	if err != nil {
		return fmt.Errorf("oracle: record %s/%d@%d: %w", topic, r.Partition, r.Offset, err)
	}
	return nil
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func (o *Observed) input(at Position, r *kgo.Record) error {
	seq, err := strconv.ParseUint(header(r, HeaderSeq), 10, 64)
	if err != nil {
		return fmt.Errorf("header %s: %w", HeaderSeq, err)
	}
	o.Raw = append(o.Raw, Raw{Position: at, Seq: seq, Digest: DigestOf(r.Value)})
	return nil
}

func (o *Observed) event(at Position, r *kgo.Record) error {
	var v struct {
		Metadata struct {
			UID     string   `json:"uid"`
			LogName string   `json:"log_name"`
			Labels  []string `json:"labels"`
		} `json:"metadata"`
		RawRef struct {
			Partition int32 `json:"partition"`
			Offset    int64 `json:"offset"`
		} `json:"raw_ref"`
		Unmapped json.RawMessage `json:"unmapped"`
	}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return err
	}
	o.Events = append(o.Events, Event{
		Position: at, ID: v.Metadata.UID, Key: string(r.Key),
		Raw:    Position{"raw." + v.Metadata.LogName, v.RawRef.Partition, v.RawRef.Offset},
		Digest: DigestOf(v.Unmapped), Late: slices.Contains(v.Metadata.Labels, "late"),
	})
	return nil
}

func (o *Observed) reject(at Position, r *kgo.Record) error {
	partition, err := strconv.ParseInt(header(r, "reject-partition"), 10, 32)
	if err != nil {
		return fmt.Errorf("header reject-partition: %w", err)
	}
	offset, err := strconv.ParseInt(header(r, "reject-offset"), 10, 64)
	if err != nil {
		return fmt.Errorf("header reject-offset: %w", err)
	}
	o.Rejects = append(o.Rejects, Reject{
		Position: at, Stage: header(r, "reject-stage"), Reason: header(r, "reject-reason"), Digest: DigestOf(r.Value),
		Raw: Position{header(r, "reject-topic"), int32(partition), offset},
	})
	return nil
}

func (o *Observed) signal(at Position, r *kgo.Record) error {
	if header(r, "schema") == "control/1" {
		return nil // what partitions tell each other is not recorded
	}
	var v struct {
		ID    string `json:"signal_id"`
		Event string `json:"event_id"`
		Rule  string `json:"rule"`
		Step  string `json:"step"`
	}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return err
	}
	o.Signals = append(o.Signals, Signal{Position: at, ID: v.ID, Event: v.Event, Rule: v.Rule, Step: v.Step})
	return nil
}

func (o *Observed) fact(at Position, r *kgo.Record) error {
	var v struct {
		Alert *struct {
			ID       string   `json:"alert_id"`
			Rule     string   `json:"rule"`
			Revision uint64   `json:"revision"`
			Signals  int      `json:"signals"`
			Fate     string   `json:"fate"`
			Group    []string `json:"group"`
			Evidence []string `json:"evidence"`
			Trigger  string   `json:"trigger"`
			Entities []struct {
				Value string `json:"value"`
			} `json:"entities"`
		} `json:"alert"`
	}
	if err := json.Unmarshal(r.Value, &v); err != nil || v.Alert == nil {
		return err
	}
	a := Alert{
		Position: at, ID: v.Alert.ID, Rule: v.Alert.Rule, Revision: v.Alert.Revision, Fate: v.Alert.Fate, Signals: v.Alert.Signals,
		Group: v.Alert.Group, Evidence: v.Alert.Evidence, Trigger: v.Alert.Trigger, Values: slices.Clone(v.Alert.Group),
	}
	for _, e := range v.Alert.Entities {
		a.Values = append(a.Values, e.Value)
	}
	o.Alerts = append(o.Alerts, a)
	return nil
}

func (o *Observed) intent(at Position, r *kgo.Record) error {
	var v struct {
		ID       string `json:"intent_id"`
		Action   string `json:"action"`
		Want     string `json:"want"`
		Verdict  string `json:"verdict"`
		Revision uint64 `json:"revision"`
		Target   struct {
			Value string `json:"value"`
		} `json:"target"`
	}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return err
	}
	o.Intents = append(o.Intents, Intent{
		Position: at, ID: v.ID, Action: v.Action, Target: v.Target.Value,
		Want: v.Want, Verdict: v.Verdict, Revision: v.Revision,
	})
	return nil
}

func (o *Observed) account(at Position, r *kgo.Record) error {
	var v struct {
		Stage     string `json:"stage"`
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		From      int64  `json:"from_offset"`
		To        int64  `json:"to_offset"`
		Records   int    `json:"records"`
		Live      int    `json:"live"`
		Duplicate int    `json:"duplicate"`
		Rejected  int    `json:"rejected"`
		Late      int    `json:"late"`
	}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return err
	}
	o.Accounts = append(o.Accounts, Account{
		Position: at, Stage: v.Stage, From: Position{v.Topic, v.Partition, v.From}, To: v.To,
		Records: v.Records, Live: v.Live, Duplicate: v.Duplicate, Rejected: v.Rejected, Late: v.Late,
	})
	return nil
}
