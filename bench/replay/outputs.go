package replay

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/pipeline"
)

// Output is a committed record of a derived topic.
type Output struct {
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
		for _, h := range r.Headers {
			if h.Key == pipeline.HeaderSchema && string(h.Value) == pipeline.SchemaControl {
				return nil // how often it is said does not matter
			}
		}
		o[topic] = append(o[topic], Output{Key: r.Key, Value: placeless(topic, r.Value)})
		return nil
	})
	for _, records := range o {
		slices.SortFunc(records, compareOutputs)
	}
	return o, err
}

// factOffset is where a decision says at which offset the fact lies that it answers.
var factOffset = regexp.MustCompile(`("fact":\{[^{}]*"offset":)\d+`)

// placeless returns the value of a record without the offset of the fact that a decision
// answers. Offsets of derived topics count the markers of transactions, and how many
// transactions there were is what the variants differ in. All else must be equal.
func placeless(topic string, value []byte) []byte {
	if topic != pipeline.TopicDecisions {
		return value
	}
	return factOffset.ReplaceAll(value, []byte("${1}0"))
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
			switch c := order(a, b); {
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

// order compares the heads of two sorted lists; an empty list comes last.
func order(a, b []Output) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return compareOutputs(a[0], b[0])
}
