package record

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// events is the rows of the table of that name.
type events struct {
	columns.Table
	tenant, source           *columns.Dict
	class                    *columns.Fixed[uint32]
	activity, severity       *columns.Fixed[uint8]
	at, ingested, normalised *columns.Fixed[int64]
	id                       *columns.Blob
	flags                    *columns.List[*columns.Dict]
	host, sha256             *columns.Strings
	srcIP, dstIP             *columns.Blob
	srcPort, dstPort         *columns.Fixed[uint16]
	pid                      *columns.Fixed[uint32]
	texts                    []textColumn
	words                    []wordColumn
	attrs                    *columns.Map
	rawPartition             *columns.Fixed[int32]
	rawOffset                *columns.Fixed[int64]
	origin                   origin
	event                    pipeline.Event // reused
	used                     [pipeline.FieldCount]bool
	scratch                  []byte
	names                    []string
	flat                     flattener
}

// textColumn is a String column that takes the first of its fields that an event has.
type textColumn struct {
	*columns.Strings
	fields []pipeline.Field
}

// wordColumn is the same for a LowCardinality(String) column.
type wordColumn struct {
	*columns.Dict
	fields []pipeline.Field
}

func newEvents() *events {
	e := &events{Table: columns.Table{Name: "events"}}
	t := &e.Table
	e.tenant = columns.Add(t, "tenant", new(columns.Dict))
	e.source = columns.Add(t, "source", new(columns.Dict))
	e.class = columns.Add(t, "class", columns.UInt32())
	e.activity = columns.Add(t, "activity", columns.UInt8())
	e.severity = columns.Add(t, "severity", columns.UInt8())
	e.at = columns.Add(t, "at", columns.Millis())
	e.ingested = columns.Add(t, "ingested", columns.Millis())
	e.normalised = columns.Add(t, "normalised", columns.Millis())
	e.id = columns.Add(t, "event_id", columns.UUID())
	e.flags = columns.Add(t, "flags", columns.DictList())
	e.host = columns.Add(t, "host", new(columns.Strings))
	e.srcIP = columns.Add(t, "src_ip", columns.IPv6())
	e.dstIP = columns.Add(t, "dst_ip", columns.IPv6())
	e.srcPort = columns.Add(t, "src_port", columns.UInt16())
	e.dstPort = columns.Add(t, "dst_port", columns.UInt16())
	e.pid = columns.Add(t, "pid", columns.UInt32())
	e.sha256 = columns.Add(t, "sha256", new(columns.Strings))
	e.addTexts()
	e.attrs = columns.Add(t, "attrs", new(columns.Map))
	e.rawPartition = columns.Add(t, "raw_partition", columns.Int32())
	e.rawOffset = columns.Add(t, "raw_offset", columns.Int64())
	e.origin = newOrigin(t)
	return e
}

// addTexts registers the columns that take a field's text as it is.
func (e *events) addTexts() {
	text := func(name string, fields ...pipeline.Field) {
		e.texts = append(e.texts, textColumn{columns.Add(&e.Table, name, new(columns.Strings)), fields})
	}
	word := func(name string, fields ...pipeline.Field) {
		e.words = append(e.words, wordColumn{columns.Add(&e.Table, name, new(columns.Dict)), fields})
	}
	text("user", pipeline.FieldActorUserName, pipeline.FieldUserName)
	word("process", pipeline.FieldProcessName)
	text("process_path", pipeline.FieldProcessFilePath)
	text("cmdline", pipeline.FieldProcessCmdLine)
	text("parent", pipeline.FieldProcessParentProcessFilePath)
	text("file_path", pipeline.FieldFilePath, pipeline.FieldRegKeyPath, pipeline.FieldModuleFilePath)
	text("domain", pipeline.FieldQueryHostname, pipeline.FieldTLSSNI, pipeline.FieldHTTPRequestURLHostname)
	text("url", pipeline.FieldHTTPRequestURLURLString)
	word("action", pipeline.FieldDisposition)
	word("outcome", pipeline.FieldStatus)
	word("region", pipeline.FieldCloudRegion)
	word("account", pipeline.FieldCloudAccountUID)
	word("api", pipeline.FieldAPIOperation)
	text("user_agent", pipeline.FieldHTTPRequestUserAgent)
	text("vendor_rule", pipeline.FieldFindingInfoTitle)
}

// add appends the event. What can fail comes first, so that a failure leaves no part of a
// row.
func (e *events) add(blk *pipeline.Block, r *pipeline.Record, v *pipeline.Event) error {
	first := len(e.attrs.Keys.Rows)
	if len(v.Unmapped) > 0 {
		if err := e.flat.flatten(v.Unmapped, e.attrs); err != nil {
			e.attrs.Drop()
			return fmt.Errorf("unmapped: %w", err)
		}
	}
	e.tenant.Append(v.Tenant)
	e.source.Append(v.Source)
	e.class.Append(uint32(v.Class))
	e.activity.Append(v.Activity)
	e.severity.Append(v.Severity)
	e.at.Append(int64(v.At))
	e.ingested.Append(int64(v.Ingested))
	e.normalised.Append(int64(r.Time))
	e.id.Append(v.ID)
	e.names = v.Flags.AppendNames(e.names[:0])
	addWords(e.flags, e.names)
	e.addHot(v)
	e.addRest(v, first)
	e.rawPartition.Append(v.Partition)
	e.rawOffset.Append(v.Offset)
	e.origin.add(blk, r)
	return nil
}

// addHot fills the columns that are made of attributes and notes which attributes they took.
func (e *events) addHot(v *pipeline.Event) {
	clear(e.used[:])
	e.host.AppendBytes(e.lower(v, pipeline.FieldDeviceHostname))
	e.sha256.AppendBytes(e.lower(v, pipeline.FieldFileHashesSHA256, pipeline.FieldProcessFileHashesSHA256, pipeline.FieldModuleFileHashesSHA256))
	e.srcIP.Append(e.ip(v, pipeline.FieldSrcEndpointIP))
	e.dstIP.Append(e.ip(v, pipeline.FieldDstEndpointIP))
	e.srcPort.Append(uint16(e.number(v, pipeline.FieldSrcEndpointPort, math.MaxUint16)))
	e.dstPort.Append(uint16(e.number(v, pipeline.FieldDstEndpointPort, math.MaxUint16)))
	e.pid.Append(uint32(e.number(v, pipeline.FieldProcessPID, math.MaxUint32)))
	for i := range e.texts {
		e.texts[i].Append(e.take(v, e.texts[i].fields...))
	}
	for i := range e.words {
		e.words[i].Append(e.take(v, e.words[i].fields...))
	}
}

// take returns the text of the first of the fields that the event has.
func (e *events) take(v *pipeline.Event, fields ...pipeline.Field) string {
	for _, f := range fields {
		if a := v.Get(f); a.Kind == pipeline.KindString && a.Str != "" {
			e.used[f] = true
			return a.Str
		}
	}
	return ""
}

// lower returns the same in lower case, a view until the next call.
func (e *events) lower(v *pipeline.Event, fields ...pipeline.Field) []byte {
	e.scratch = append(e.scratch[:0], e.take(v, fields...)...)
	for i, c := range e.scratch {
		if c >= utf8.RuneSelf { // host names and digests are ASCII, or else stay as they are
			return e.scratch
		}
		if c >= 'A' && c <= 'Z' {
			e.scratch[i] = c + 'a' - 'A'
		}
	}
	return e.scratch
}

// ip returns an address; the zero address stands for none, and a text that is no address
// stays an attribute.
func (e *events) ip(v *pipeline.Event, f pipeline.Field) [16]byte {
	a := v.Get(f)
	if a.Kind != pipeline.KindString || a.Str == "" {
		return [16]byte{}
	}
	ip, err := netip.ParseAddr(a.Str)
	if err != nil || ip.Zone() != "" {
		return [16]byte{}
	}
	e.used[f] = true
	return ip.As16()
}

// number returns a number of 0 to most; another one stays an attribute.
func (e *events) number(v *pipeline.Event, f pipeline.Field, most int64) int64 {
	a := v.Get(f)
	if a.Kind != pipeline.KindInt || a.Int < 0 || a.Int > most {
		return 0
	}
	e.used[f] = true
	return a.Int
}

// addRest ends the row of attrs: the attributes that no column took, unless the vendor's own
// object has that path. first is where the row began.
func (e *events) addRest(v *pipeline.Event, first int) {
	keys := &e.attrs.Keys
	vendor := len(keys.Rows)
	for i := range v.Attrs {
		a := &v.Attrs[i]
		if e.used[a.Field] {
			continue
		}
		keys.Append(a.Field.String())
		if n := len(keys.Rows) - 1; slices.Contains(keys.Rows[first:vendor], keys.Rows[n]) {
			keys.Rows = keys.Rows[:n]
			continue
		}
		e.scratch = appendText(e.scratch[:0], &a.Value)
		e.attrs.Values.AppendBytes(e.scratch)
	}
	e.attrs.End()
}

// appendText appends a value's text: a list is the JSON that it came as.
func appendText(dst []byte, v *pipeline.Value) []byte {
	switch v.Kind {
	case pipeline.KindString, pipeline.KindList:
		return append(dst, v.Str...)
	case pipeline.KindInt:
		return strconv.AppendInt(dst, v.Int, 10)
	case pipeline.KindFloat:
		return strconv.AppendFloat(dst, v.Float, 'g', -1, 64)
	case pipeline.KindBool:
		return strconv.AppendBool(dst, v.Int != 0)
	case pipeline.KindNone:
	}
	return dst
}
