package clickhouse

import (
	"encoding/binary"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/riposte-sec/riposte/internal/columns"
)

// input makes a column fit for ch-go, which writes the block around it. The bytes are
// those of ClickHouse's native format; see SerializationLowCardinality.cpp for Dict.
type input struct{ col columns.Column }

var (
	_ proto.ColInput     = input{}
	_ proto.StateEncoder = input{}
)

// Type implements [proto.ColInput].
func (in input) Type() proto.ColumnType { return proto.ColumnType(in.col.Type()) }

// Rows implements [proto.ColInput].
func (in input) Rows() int { return in.col.Len() }

// WriteColumn implements [proto.ColInput].
func (in input) WriteColumn(w *proto.Writer) { w.ChainBuffer(in.EncodeColumn) }

// dictVersion says that dictionaries are not shared between blocks.
const dictVersion = 1

// EncodeState writes what stands before the data: the version of each dictionary.
func (in input) EncodeState(b *proto.Buffer) {
	switch in.col.(type) {
	case *columns.Dict, *columns.List[*columns.Dict], *columns.Map, *columns.Pairs:
		b.PutInt64(dictVersion)
	}
}

// EncodeColumn appends the column's data.
func (in input) EncodeColumn(b *proto.Buffer) {
	switch c := in.col.(type) {
	case *columns.Fixed[uint8]:
		b.Buf = append(b.Buf, c.Values...)
	case *columns.Fixed[uint16]:
		putAll(b, c.Values)
	case *columns.Fixed[uint32]:
		putAll(b, c.Values)
	case *columns.Fixed[uint64]:
		putAll(b, c.Values)
	case *columns.Fixed[int32]:
		putAll(b, c.Values)
	case *columns.Fixed[int64]:
		putAll(b, c.Values)
	case *columns.Fixed[float32]:
		putAll(b, c.Values)
	case *columns.Fixed[float64]:
		putAll(b, c.Values)
	case *columns.MaybeMillis:
		b.Buf = append(b.Buf, c.Absent...)
		putAll(b, c.Values)
	case *columns.Blob:
		putBlob(b, c)
	case *columns.Strings:
		putStrings(b, c)
	case *columns.Dict:
		putDict(b, c)
	default:
		in.encodeNested(b)
	}
}

// encodeNested appends columns that are made of others: ends of rows, then the elements.
func (in input) encodeNested(b *proto.Buffer) {
	switch c := in.col.(type) {
	case *columns.List[*columns.Dict]:
		putAll(b, c.Ends)
		putDict(b, c.Elems)
	case *columns.List[*columns.Strings]:
		putAll(b, c.Ends)
		putStrings(b, c.Elems)
	case *columns.List[*columns.Blob]:
		putAll(b, c.Ends)
		putBlob(b, c.Elems)
	case *columns.Map:
		putAll(b, c.Ends)
		putDict(b, &c.Keys)
		putStrings(b, &c.Values)
	case *columns.Pairs:
		putAll(b, c.Ends)
		putDict(b, &c.Kinds)
		putStrings(b, &c.Values)
	default:
		panic(fmt.Sprintf("BUG: no encoder for column type %T", in.col))
	}
}

// putAll appends numbers in the format's little-endian form.
func putAll[T uint16 | uint32 | uint64 | int32 | int64 | float32 | float64](b *proto.Buffer, values []T) {
	out, err := binary.Append(b.Buf, binary.LittleEndian, values)
	if err != nil {
		panic(fmt.Sprintf("BUG: %T: %v", values, err)) // only for types without a fixed size
	}
	b.Buf = out
}

// putBlob appends 16-byte values: an IPv6 as it is, a UUID as two little-endian halves.
func putBlob(b *proto.Buffer, c *columns.Blob) {
	if c.Type() != "UUID" {
		for _, v := range c.Values {
			b.Buf = append(b.Buf, v[:]...)
		}
		return
	}
	for _, v := range c.Values {
		b.Buf = binary.LittleEndian.AppendUint64(b.Buf, binary.BigEndian.Uint64(v[:8]))
		b.Buf = binary.LittleEndian.AppendUint64(b.Buf, binary.BigEndian.Uint64(v[8:]))
	}
}

// putStrings appends each row's length and bytes.
func putStrings(b *proto.Buffer, c *columns.Strings) {
	from := 0
	for _, end := range c.Ends {
		b.Buf = binary.AppendUvarint(b.Buf, uint64(end-from))
		b.Buf = append(b.Buf, c.Bytes[from:end]...)
		from = end
	}
}

// Flags of a dictionary block: its keys are in the block, and they replace the ones before.
const dictFlags = 1<<9 | 1<<10

// putDict appends the words and then, for each row, the number of its word in the smallest
// width that holds all. A column without rows has no data at all.
func putDict(b *proto.Buffer, c *columns.Dict) {
	if len(c.Rows) == 0 {
		return
	}
	words := c.Words.Len()
	width := int64(0)
	switch {
	case words > 1<<16:
		width = 2
	case words > 1<<8:
		width = 1
	}
	b.PutInt64(dictFlags | width)
	b.PutInt64(int64(words))
	putStrings(b, &c.Words)
	b.PutInt64(int64(len(c.Rows)))
	switch width {
	case 0:
		for _, n := range c.Rows {
			b.Buf = append(b.Buf, byte(n))
		}
	case 1:
		for _, n := range c.Rows {
			b.Buf = binary.LittleEndian.AppendUint16(b.Buf, uint16(n))
		}
	default:
		putAll(b, c.Rows)
	}
}
