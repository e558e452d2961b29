package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// reject is a record of the rejects topic.
type reject struct {
	ID     string `json:"id"` // partition:offset on the rejects topic
	Topic  string `json:"topic"`
	From   string `json:"from"` // partition:offset of the input
	At     string `json:"at"`
	Stage  string `json:"stage"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Bytes  int    `json:"bytes"`
	Text   string `json:"text,omitempty"`   // the record, if it is UTF-8
	Base64 string `json:"base64,omitempty"` // the record otherwise

	key, value []byte
	headers    []pipeline.Header
}

// rejectFilter says which rejects are meant.
type rejectFilter struct {
	source, stage, reason string
	ids                   []string
	limit                 int
}

func (f *rejectFilter) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.source, "source", "", "only of this source")
	c.Flags().StringVar(&f.stage, "stage", "", "only of this stage")
	c.Flags().StringVar(&f.reason, "reason", "", "only with this reason")
}

func (f *rejectFilter) matches(r *reject) bool {
	return (f.source == "" || r.Topic == pipeline.TopicRawPrefix+f.source) &&
		(f.stage == "" || r.Stage == f.stage) && (f.reason == "" || r.Reason == f.reason) &&
		(len(f.ids) == 0 || slices.Contains(f.ids, r.ID))
}

func (a *app) rejectsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rejects",
		Short: "look at input that could not be processed, and bring it in again",
		Long: `Every record that a stage cannot process lies on the rejects topic with its bytes,
where it came from, the stage and the reason.`,
		Example: `  riposte rejects list --reason syntax
  riposte rejects show 3:17
  riposte rejects redrive --source zeek --reason not_this_source --yes`,
		Args: noSuchCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringArrayVar(&a.brokers, "brokers", nil, "Kafka brokers (default: from the configuration)")
	c.AddCommand(a.rejectsListCommand(), a.rejectsShowCommand(), a.rejectsRedriveCommand())
	return c
}

func (a *app) rejectsListCommand() *cobra.Command {
	f := rejectFilter{}
	var format string
	c := &cobra.Command{
		Use:   "list",
		Short: "list rejects, newest last in each partition",
		Example: `  riposte rejects list --source zeek
  riposte rejects list --reason syntax --format csv`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := a.readRejects(c.Context(), f)
			if err != nil {
				return err
			}
			if format == formatJSON || format == formatJSONL {
				return writeRejects(a, all, format)
			}
			s := sheet{columns: []string{"id", "topic", "from", "at", "stage", "reason", "bytes", "detail"}}
			for _, r := range all {
				s.add(r.ID, r.Topic, r.From, r.At, r.Stage, r.Reason, strconv.Itoa(r.Bytes), r.Detail)
			}
			return s.write(a.stdout, format)
		},
	}
	f.flags(c)
	c.Flags().IntVar(&f.limit, "limit", 1000, "at most so many, 0 is no limit")
	formatFlag(c, &format, formatTable, formatJSON, formatJSONL, formatCSV)
	return c
}

func writeRejects(a *app, all []*reject, format string) error {
	if format == formatJSON {
		return writeJSON(a.stdout, map[string]any{"version": 1, "rejects": all})
	}
	for _, r := range all {
		if err := writeJSONLine(a.stdout, r); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) rejectsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID...",
		Short: "show rejects with their bytes",
		Example: `  riposte rejects show 3:17
  riposte rejects show 3:17 0:4 --brokers k1:9092`,
		Args: someArgs("an id from `riposte rejects list`"),
		RunE: func(c *cobra.Command, args []string) error {
			all, err := a.readRejects(c.Context(), rejectFilter{ids: args})
			if err != nil {
				return err
			}
			for _, r := range all {
				r.show()
				if err := writeJSON(a.stdout, r); err != nil {
					return err
				}
			}
			return missing(args, all)
		},
	}
}

// show puts the record's bytes where people see them.
func (r *reject) show() {
	if utf8.Valid(r.value) {
		r.Text = string(r.value)
	} else {
		r.Base64 = base64.StdEncoding.EncodeToString(r.value)
	}
}

func missing(ids []string, found []*reject) error {
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(r *reject) bool { return r.ID == id }) {
			return failWith(exitFailed, fmt.Errorf("there is no reject %s: its id is partition:offset, as `riposte rejects list` shows it, and it may have been deleted after the retention of the topic", id))
		}
	}
	return nil
}

func (a *app) rejectsRedriveCommand() *cobra.Command {
	f := rejectFilter{}
	var yes bool
	c := &cobra.Command{
		Use:   "redrive [ID...]",
		Short: "produce rejects to their raw topic again",
		Long: `redrive produces rejected records, bytes and key as they were, to the raw topic that
they came from: after a mapping was mended, say. What was redriven stays on the rejects
topic. Without --yes it only says what it would do.`,
		Example: `  riposte rejects redrive --source zeek --reason not_this_source
  riposte rejects redrive 3:17 --yes`,
		RunE: func(c *cobra.Command, args []string) error {
			f.ids = args
			return a.redrive(c.Context(), f, yes)
		},
	}
	f.flags(c)
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}

func (a *app) redrive(ctx context.Context, f rejectFilter, yes bool) error {
	all, err := a.readRejects(ctx, f)
	if err != nil {
		return err
	}
	if err := missing(f.ids, all); err != nil {
		return err
	}
	raw := slices.DeleteFunc(all, func(r *reject) bool { return !strings.HasPrefix(r.Topic, pipeline.TopicRawPrefix) })
	if !yes {
		_, err := fmt.Fprintf(a.stdout, "would produce %d records to their raw topics again; do it with --yes\n", len(raw))
		return err
	}
	k, err := a.kafkaOf()
	if err != nil {
		return err
	}
	feeder, err := run.NewFeeder(k)
	if err != nil {
		return err
	}
	defer feeder.Close()
	for _, r := range raw {
		if err := feeder.Send(ctx, pipeline.Message{Topic: r.Topic, Key: r.key, Value: r.value, Headers: r.headers}); err != nil {
			return failWith(exitNotConnected, err)
		}
	}
	if err := feeder.Flush(ctx); err != nil {
		return failWith(exitNotConnected, err)
	}
	_, err = fmt.Fprintf(a.stdout, "%d records are on their raw topics again\n", len(raw))
	return err
}

// kafkaOf is the Kafka of --brokers, or of the configuration.
func (a *app) kafkaOf() (run.Kafka, error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return run.Kafka{}, err
	}
	if len(a.brokers) > 0 {
		cfg.Kafka.Brokers = a.brokers
	}
	return cfg.kafka()
}

// readRejects reads the rejects that the filter means.
func (a *app) readRejects(ctx context.Context, f rejectFilter) ([]*reject, error) {
	k, err := a.kafkaOf()
	if err != nil {
		return nil, err
	}
	all := []*reject{}
	err = run.Browse(ctx, k, pipeline.TopicRejects, func(partition int32, rec *pipeline.Record) error {
		r := rejectOf(partition, rec)
		if !f.matches(r) {
			return nil
		}
		all = append(all, r)
		if f.limit > 0 && len(all) >= f.limit {
			return run.ErrEnough
		}
		return nil
	})
	return all, failWith(exitNotConnected, err)
}

// rejectOf reads the headers of a record of the rejects topic. Those of the input record
// stand before ours.
func rejectOf(partition int32, rec *pipeline.Record) *reject {
	r := &reject{ID: fmt.Sprintf("%d:%d", partition, rec.Offset), Bytes: len(rec.Value), key: rec.Key, value: rec.Value}
	var from [2]string
	for _, h := range rec.Headers {
		v := string(h.Value)
		switch h.Key {
		case pipeline.HeaderRejectTopic:
			r.Topic = v
		case pipeline.HeaderRejectPartition:
			from[0] = v
		case pipeline.HeaderRejectOffset:
			from[1] = v
		case pipeline.HeaderRejectTime:
			if ms, err := strconv.ParseInt(v, 10, 64); err == nil {
				r.At = pipeline.Millis(ms).Time().Format(time.RFC3339)
			}
		case pipeline.HeaderRejectStage:
			r.Stage = v
		case pipeline.HeaderRejectReason:
			r.Reason = v
		case pipeline.HeaderRejectDetail:
			r.Detail = v
		default:
			r.headers = append(r.headers, h)
		}
	}
	r.From = from[0] + ":" + from[1]
	return r
}
