package record

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// stage is what rejects.stage says of a record that this package could not read.
const stage = "record"

// Why this package made a row of rejects of a record.
const reasonMalformed = "malformed" // value or header is not what the topic's schema says

// maxSample is how much of a rejected record the table keeps; the whole lies on the topic.
const maxSample = 4096

// rejects is the rows of the table of that name.
type rejects struct {
	columns.Table
	tenant, source, stage, reason, topic *columns.Dict
	detail, sample                       *columns.Strings
	bytes                                *columns.Fixed[uint32]
	flags                                *columns.List[*columns.Dict]
	at, offset, rejected                 *columns.Fixed[int64]
	partition                            *columns.Fixed[int32]
	origin                               origin
}

func newRejects() *rejects {
	j := &rejects{Table: columns.Table{Name: "rejects"}}
	t := &j.Table
	j.tenant = columns.Add(t, "tenant", new(columns.Dict))
	j.source = columns.Add(t, "source", new(columns.Dict))
	j.stage = columns.Add(t, "stage", new(columns.Dict))
	j.reason = columns.Add(t, "reason", new(columns.Dict))
	j.detail = columns.Add(t, "detail", new(columns.Strings))
	j.bytes = columns.Add(t, "bytes", columns.UInt32())
	j.sample = columns.Add(t, "sample", new(columns.Strings))
	j.flags = columns.Add(t, "flags", columns.DictList())
	j.at = columns.Add(t, "at", columns.Millis())
	j.topic = columns.Add(t, "in_topic", new(columns.Dict))
	j.partition = columns.Add(t, "in_partition", columns.Int32())
	j.offset = columns.Add(t, "in_offset", columns.Int64())
	j.rejected = columns.Add(t, "rejected", columns.Millis())
	j.origin = newOrigin(t)
	return j
}

// rejection is a rejected record: where it lay and why it was refused.
type rejection struct {
	from          pipeline.Offset
	at            pipeline.Millis
	stage, reason string
	detail        string
}

// add appends a record of the topic rejects.
func (j *rejects) add(blk *pipeline.Block, r *pipeline.Record) error {
	v := rejection{
		from:   pipeline.Offset{Topic: string(r.Header(pipeline.HeaderRejectTopic))},
		stage:  string(r.Header(pipeline.HeaderRejectStage)),
		reason: string(r.Header(pipeline.HeaderRejectReason)),
		detail: string(r.Header(pipeline.HeaderRejectDetail)),
	}
	partition, err1 := number(r, pipeline.HeaderRejectPartition)
	offset, err2 := number(r, pipeline.HeaderRejectOffset)
	at, err3 := number(r, pipeline.HeaderRejectTime)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return err
		}
	}
	if partition < 0 || partition > math.MaxInt32 {
		return fmt.Errorf("header %s: %d is no partition", pipeline.HeaderRejectPartition, partition)
	}
	v.from.Partition, v.from.Offset, v.at = int32(partition), offset, pipeline.Millis(at)
	j.append(blk, r, &v)
	return nil
}

func number(r *pipeline.Record, header string) (int64, error) {
	n, err := strconv.ParseInt(string(r.Header(header)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("header %s: %w", header, err)
	}
	return n, nil
}

// unreadable appends a record of any topic that could not be made a row of its table.
func (j *rejects) unreadable(blk *pipeline.Block, r *pipeline.Record, why error) {
	j.append(blk, r, &rejection{
		from: pipeline.Offset{Topic: blk.Topic, Partition: blk.Partition, Offset: r.Offset},
		at:   r.Time, stage: stage, reason: reasonMalformed, detail: why.Error(),
	})
}

func (j *rejects) append(blk *pipeline.Block, r *pipeline.Record, v *rejection) {
	source, isRaw := strings.CutPrefix(v.from.Topic, pipeline.TopicRawPrefix)
	if !isRaw {
		source = ""
	}
	j.tenant.AppendBytes(r.Header(pipeline.HeaderTenant))
	j.source.Append(source)
	j.stage.Append(v.stage)
	j.reason.Append(v.reason)
	j.detail.Append(v.detail)
	j.bytes.Append(uint32(len(r.Value)))
	j.sample.AppendBytes(r.Value[:min(len(r.Value), maxSample)])
	if r.Header(pipeline.HeaderDemo) != nil {
		j.flags.Elems.Append("demo")
	}
	j.flags.End()
	j.at.Append(int64(v.at))
	j.topic.Append(v.from.Topic)
	j.partition.Append(v.from.Partition)
	j.offset.Append(v.from.Offset)
	j.rejected.Append(int64(r.Time))
	j.origin.add(blk, r)
}
