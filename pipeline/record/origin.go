package record

import (
	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// origin is the columns that every table ends in: which record a row stands for.
type origin struct {
	topic     *columns.Dict
	partition *columns.Fixed[int32]
	offset    *columns.Fixed[int64]
}

// newOrigin adds the columns to t. They must be the last ones.
func newOrigin(t *columns.Table) origin {
	return origin{
		topic:     columns.Add(t, "topic", new(columns.Dict)),
		partition: columns.Add(t, "partition", columns.Int32()),
		offset:    columns.Add(t, "offset", columns.Int64()),
	}
}

func (o *origin) add(blk *pipeline.Block, r *pipeline.Record) {
	o.topic.Append(blk.Topic)
	o.partition.Append(blk.Partition)
	o.offset.Append(r.Offset)
}

// addWords appends one row of words.
func addWords(c *columns.List[*columns.Dict], words []string) {
	for _, w := range words {
		c.Elems.Append(w)
	}
	c.End()
}

// addIDs appends one row of ids.
func addIDs(c *columns.List[*columns.Blob], ids []pipeline.ID) {
	for _, id := range ids {
		c.Elems.Append(id)
	}
	c.End()
}

// addEntities appends one row of entities.
func addEntities(c *columns.Pairs, entities []pipeline.EntityValue) {
	for i := range entities {
		c.Kinds.Append(entities[i].Kind)
		c.Values.Append(entities[i].Value)
	}
	c.End()
}

// groupSeparator stands between the values of a group key. Canonical values cannot have it.
const groupSeparator = 0x1f

// addGroup appends one row: the values of a group key, joined.
func addGroup(c *columns.Strings, values []string) {
	for i, v := range values {
		if i > 0 {
			c.Bytes = append(c.Bytes, groupSeparator)
		}
		c.Bytes = append(c.Bytes, v...)
	}
	c.Ends = append(c.Ends, len(c.Bytes))
}

// truth is a Bool's number.
func truth(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
