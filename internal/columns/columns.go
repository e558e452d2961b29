package columns

import (
	"slices"
	"strings"
)

// Column is one column of a [Table]. Its concrete type is one of this package's.
type Column interface {
	// Type is the column's type in ClickHouse's notation.
	Type() string
	// Len is the number of rows.
	Len() int
	// Reset removes all rows and keeps the memory.
	Reset()
}

// Number is what a fixed-width column holds.
type Number interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int32 | ~int64 | ~float32 | ~float64
}

// Fixed is a column of numbers.
type Fixed[T Number] struct {
	Values []T
	typ    string
}

// UInt8 returns an empty UInt8 column.
func UInt8() *Fixed[uint8] { return &Fixed[uint8]{typ: "UInt8"} }

// UInt16 returns an empty UInt16 column.
func UInt16() *Fixed[uint16] { return &Fixed[uint16]{typ: "UInt16"} }

// UInt32 returns an empty UInt32 column.
func UInt32() *Fixed[uint32] { return &Fixed[uint32]{typ: "UInt32"} }

// UInt64 returns an empty UInt64 column.
func UInt64() *Fixed[uint64] { return &Fixed[uint64]{typ: "UInt64"} }

// Int32 returns an empty Int32 column.
func Int32() *Fixed[int32] { return &Fixed[int32]{typ: "Int32"} }

// Int64 returns an empty Int64 column.
func Int64() *Fixed[int64] { return &Fixed[int64]{typ: "Int64"} }

// Float32 returns an empty Float32 column.
func Float32() *Fixed[float32] { return &Fixed[float32]{typ: "Float32"} }

// Float64 returns an empty Float64 column.
func Float64() *Fixed[float64] { return &Fixed[float64]{typ: "Float64"} }

// Bool returns an empty Bool column; its values are 0 and 1.
func Bool() *Fixed[uint8] { return &Fixed[uint8]{typ: "Bool"} }

// Millis returns an empty column of times: milliseconds since 1970, UTC.
func Millis() *Fixed[int64] { return &Fixed[int64]{typ: timeType} }

const timeType = "DateTime64(3, 'UTC')"

// Type implements [Column].
func (c *Fixed[T]) Type() string { return c.typ }

// Len implements [Column].
func (c *Fixed[T]) Len() int { return len(c.Values) }

// Reset implements [Column].
func (c *Fixed[T]) Reset() { c.Values = c.Values[:0] }

// Append adds a row.
func (c *Fixed[T]) Append(v T) { c.Values = append(c.Values, v) }

// MaybeMillis is a column of times that may be absent.
type MaybeMillis struct {
	Absent []uint8 // 1 = NULL
	Values []int64
}

// Type implements [Column].
func (*MaybeMillis) Type() string { return "Nullable(" + timeType + ")" }

// Len implements [Column].
func (c *MaybeMillis) Len() int { return len(c.Values) }

// Reset implements [Column].
func (c *MaybeMillis) Reset() { c.Absent, c.Values = c.Absent[:0], c.Values[:0] }

// Append adds a row; zero is absent.
func (c *MaybeMillis) Append(ms int64) {
	absent := uint8(0)
	if ms == 0 {
		absent = 1
	}
	c.Absent, c.Values = append(c.Absent, absent), append(c.Values, ms)
}

// Blob is a column of 16-byte values.
type Blob struct {
	Values [][16]byte
	typ    string
}

// UUID returns an empty UUID column: bytes in the order in which they are written as text.
func UUID() *Blob { return &Blob{typ: "UUID"} }

// IPv6 returns an empty IPv6 column: network byte order, IPv4 as ::ffff:a.b.c.d.
func IPv6() *Blob { return &Blob{typ: "IPv6"} }

// Type implements [Column].
func (c *Blob) Type() string { return c.typ }

// Len implements [Column].
func (c *Blob) Len() int { return len(c.Values) }

// Reset implements [Column].
func (c *Blob) Reset() { c.Values = c.Values[:0] }

// Append adds a row.
func (c *Blob) Append(v [16]byte) { c.Values = append(c.Values, v) }

// Strings is a String column.
type Strings struct {
	Bytes []byte
	Ends  []int // of each row in Bytes
}

// Type implements [Column].
func (*Strings) Type() string { return "String" }

// Len implements [Column].
func (c *Strings) Len() int { return len(c.Ends) }

// Reset implements [Column].
func (c *Strings) Reset() { c.Bytes, c.Ends = c.Bytes[:0], c.Ends[:0] }

// Append adds a row.
func (c *Strings) Append(s string) {
	c.Bytes = append(c.Bytes, s...)
	c.Ends = append(c.Ends, len(c.Bytes))
}

// AppendBytes adds a row.
func (c *Strings) AppendBytes(s []byte) {
	c.Bytes = append(c.Bytes, s...)
	c.Ends = append(c.Ends, len(c.Bytes))
}

// Row returns row i, a view that reads right until the column is reset.
func (c *Strings) Row(i int) []byte {
	from := 0
	if i > 0 {
		from = c.Ends[i-1]
	}
	return c.Bytes[from:c.Ends[i]]
}

// Dict is a LowCardinality(String) column: each row is a number in a dictionary.
type Dict struct {
	Words Strings  // distinct values in the order in which they first came
	Rows  []uint32 // index into Words
	index map[string]uint32
}

// maxWords is when Reset forgets the dictionary's index. Until then its memory is reused.
const maxWords = 1 << 16

// Type implements [Column].
func (*Dict) Type() string { return "LowCardinality(String)" }

// Len implements [Column].
func (c *Dict) Len() int { return len(c.Rows) }

// Reset implements [Column].
func (c *Dict) Reset() {
	c.Words.Reset()
	c.Rows = c.Rows[:0]
	if len(c.index) > maxWords {
		c.index = nil
	}
	clear(c.index)
}

// Append adds a row.
func (c *Dict) Append(s string) {
	n, ok := c.index[s]
	if !ok {
		n = c.learn(strings.Clone(s))
	}
	c.Rows = append(c.Rows, n)
}

// AppendBytes adds a row. It allocates only for a word that the dictionary does not have.
func (c *Dict) AppendBytes(s []byte) {
	n, ok := c.index[string(s)]
	if !ok {
		n = c.learn(string(s))
	}
	c.Rows = append(c.Rows, n)
}

// learn gives a new word its number.
func (c *Dict) learn(s string) uint32 {
	if c.index == nil {
		c.index = make(map[string]uint32)
	}
	n := uint32(len(c.index))
	c.index[s] = n
	c.Words.Append(s)
	return n
}

// Row returns row i, a view that reads right until the column is reset.
func (c *Dict) Row(i int) []byte { return c.Words.Row(int(c.Rows[i])) }

// List is an Array column: rows of many elements each.
type List[C Column] struct {
	Elems C
	Ends  []uint64 // of each row in Elems
}

// DictList returns an empty Array(LowCardinality(String)) column.
func DictList() *List[*Dict] { return &List[*Dict]{Elems: new(Dict)} }

// StringList returns an empty Array(String) column.
func StringList() *List[*Strings] { return &List[*Strings]{Elems: new(Strings)} }

// UUIDList returns an empty Array(UUID) column.
func UUIDList() *List[*Blob] { return &List[*Blob]{Elems: UUID()} }

// Type implements [Column].
func (c *List[C]) Type() string { return "Array(" + c.Elems.Type() + ")" }

// Len implements [Column].
func (c *List[C]) Len() int { return len(c.Ends) }

// Reset implements [Column].
func (c *List[C]) Reset() { c.Ends = c.Ends[:0]; c.Elems.Reset() }

// End ends a row: the elements appended to Elems since the last End are its elements.
func (c *List[C]) End() { c.Ends = append(c.Ends, uint64(c.Elems.Len())) }

// Map is a Map(LowCardinality(String), String) column.
type Map struct {
	Keys   Dict
	Values Strings
	Ends   []uint64
}

// Type implements [Column].
func (*Map) Type() string { return "Map(LowCardinality(String), String)" }

// Len implements [Column].
func (c *Map) Len() int { return len(c.Ends) }

// Reset implements [Column].
func (c *Map) Reset() { c.Ends = c.Ends[:0]; c.Keys.Reset(); c.Values.Reset() }

// Drop takes back the pairs appended since the last End. Words of the dictionary stay.
func (c *Map) Drop() {
	pairs := 0
	if len(c.Ends) > 0 {
		pairs = int(c.Ends[len(c.Ends)-1])
	}
	end := 0
	if pairs > 0 {
		end = c.Values.Ends[pairs-1]
	}
	c.Keys.Rows = c.Keys.Rows[:pairs]
	c.Values.Bytes, c.Values.Ends = c.Values.Bytes[:end], c.Values.Ends[:pairs]
}

// End ends a row: the pairs appended to Keys and Values since the last End are its pairs.
func (c *Map) End() { c.Ends = append(c.Ends, uint64(c.Keys.Len())) }

// Pairs is an Array(Tuple(kind LowCardinality(String), value String)) column, the form of
// entities.
type Pairs struct {
	Kinds  Dict
	Values Strings
	Ends   []uint64
}

// Type implements [Column].
func (*Pairs) Type() string { return "Array(Tuple(kind LowCardinality(String), value String))" }

// Len implements [Column].
func (c *Pairs) Len() int { return len(c.Ends) }

// Reset implements [Column].
func (c *Pairs) Reset() { c.Ends = c.Ends[:0]; c.Kinds.Reset(); c.Values.Reset() }

// End ends a row, as [Map.End] does.
func (c *Pairs) End() { c.Ends = append(c.Ends, uint64(c.Kinds.Len())) }

// Table is rows of one table.
type Table struct {
	Name    string // without database
	Names   []string
	Columns []Column
}

// Add registers a column and returns it.
func Add[C Column](t *Table, name string, c C) C {
	t.Names = append(t.Names, name)
	t.Columns = append(t.Columns, c)
	return c
}

// Len is the number of whole rows. It panics where a column has another length: a row was
// appended in part.
func (t *Table) Len() int {
	n := t.Columns[0].Len()
	for i, c := range t.Columns {
		if c.Len() != n {
			panic("BUG: table " + t.Name + ": column " + t.Names[i] + " has another length than " + t.Names[0])
		}
	}
	return n
}

// Reset removes all rows and keeps the memory.
func (t *Table) Reset() {
	for _, c := range t.Columns {
		c.Reset()
	}
}

// Column returns the column with that name, nil if there is none.
func (t *Table) Column(name string) Column {
	if i := slices.Index(t.Names, name); i >= 0 {
		return t.Columns[i]
	}
	return nil
}
