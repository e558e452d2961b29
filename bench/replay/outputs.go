package replay

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/oracle"
)

// Output is a committed record of a derived topic.
type Output struct {
	Partition  int32
	Key, Value []byte
}

func compareOutputs(a, b Output) int {
	if c := bytes.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	return bytes.Compare(a.Value, b.Value)
}

// outputs are the committed records by topic, sorted: which of two partitions is read
// first is not part of the result.
type outputs map[string][]Output

// collect reads everything that is committed.
func collect(ctx context.Context, brokers []string) (outputs, error) {
	at := oracle.Topics{Brokers: brokers}
	ends, err := at.Ends(ctx)
	if err != nil {
		return nil, err
	}
	o := outputs{}
	err = at.Each(ctx, ends, func(topic string, r *kgo.Record) error {
		o[topic] = append(o[topic], Output{Partition: r.Partition, Key: r.Key, Value: r.Value})
		return nil
	})
	for _, records := range o {
		slices.SortFunc(records, compareOutputs)
	}
	return o, err
}

func (o outputs) counts(topics []string) string {
	var parts []string
	for _, t := range topics {
		parts = append(parts, fmt.Sprintf("%d %s", len(o[t]), t))
	}
	return strings.Join(parts, ", ")
}

// maxShown is how many records of each side a Difference carries.
const maxShown = 5

// compare returns the first topic on which other differs, nil if none does.
func (o outputs) compare(other outputs, topics []string) *Difference {
	for _, t := range topics {
		d := &Difference{Topic: t}
		a, b := o[t], other[t]
		for len(a) > 0 || len(b) > 0 {
			switch c := compareHeads(a, b); {
			case c == 0:
				a, b = a[1:], b[1:]
			case c < 0:
				d.Missing = append(d.Missing, a[0])
				a = a[1:]
			default:
				d.Extra = append(d.Extra, b[0])
				b = b[1:]
			}
		}
		if len(d.Missing)+len(d.Extra) > 0 {
			d.Missing, d.Extra = d.Missing[:min(len(d.Missing), maxShown)], d.Extra[:min(len(d.Extra), maxShown)]
			return d
		}
	}
	return nil
}

// compareHeads compares the heads of two sorted lists; an empty list comes last.
func compareHeads(a, b []Output) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return compareOutputs(a[0], b[0])
}
