package main

import (
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// reached raises, for an account of ingest over the raw topic, the offset that its
// partition was read to.
func reached(r *kgo.Record, read map[int32]int64) error {
	var a struct {
		Stage     string `json:"stage"`
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		To        int64  `json:"to_offset"`
	}
	if err := json.Unmarshal(r.Value, &a); err != nil {
		return fmt.Errorf("account %d@%d: %w", r.Partition, r.Offset, err)
	}
	if a.Stage == "ingest" && a.Topic == rawTopic {
		read[a.Partition] = max(read[a.Partition], a.To)
	}
	return nil
}
