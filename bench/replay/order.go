package replay

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/riposte-sec/riposte/pipeline"
)

// placed is a record with what orders it.
type placed struct {
	Record
	alert    pipeline.ID // of a fact about an alert
	revision uint64      // its revision
}

// order makes the input log of a stage of what the stage before wrote on topics. The order
// is a function of the records alone: that of the time at which each could be known, which
// becomes its append time; equal times are told apart by alert, revision and bytes.
func order(made outputs, topics []string) ([]Record, error) {
	var all []placed
	for _, t := range topics {
		for _, o := range made[t] {
			p := placed{Record: Record{Topic: t, Partition: o.Partition, Key: o.Key, Value: o.Value}}
			if err := p.place(); err != nil {
				return nil, fmt.Errorf("replay: %s: record %q: %w", t, o.Key, err)
			}
			all = append(all, p)
		}
	}
	keepRevisions(all)
	slices.SortFunc(all, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), bytes.Compare(a.alert[:], b.alert[:]),
			cmp.Compare(a.revision, b.revision), bytes.Compare(a.Value, b.Value))
	})
	log := make([]Record, len(all))
	for i := range all {
		log[i] = all[i].Record
	}
	return log, nil
}

// place finds the time: that at which the broker had the event, or the event time of what
// the record tells if that is later.
func (p *placed) place() error {
	var v struct {
		Time     pipeline.Millis `json:"time"`
		Ingested pipeline.Millis `json:"logged_time"` // of a signal
		Alert    *struct {
			ID       pipeline.ID     `json:"alert_id"`
			Revision uint64          `json:"revision"`
			Ingested pipeline.Millis `json:"logged_time"`
		} `json:"alert"` // of a fact
	}
	if err := json.Unmarshal(p.Value, &v); err != nil {
		return err
	}
	p.Time = max(v.Time, v.Ingested)
	if v.Alert != nil {
		p.Time = max(v.Time, v.Alert.Ingested)
		p.alert, p.revision = v.Alert.ID, v.Alert.Revision
	}
	return nil
}

// keepRevisions puts no later revision of an alert before an earlier one.
func keepRevisions(all []placed) {
	slices.SortFunc(all, func(a, b placed) int {
		return cmp.Or(bytes.Compare(a.alert[:], b.alert[:]), cmp.Compare(a.revision, b.revision))
	})
	for i := 1; i < len(all); i++ {
		if all[i].revision > 0 && all[i].alert == all[i-1].alert {
			all[i].Time = max(all[i].Time, all[i-1].Time)
		}
	}
}
