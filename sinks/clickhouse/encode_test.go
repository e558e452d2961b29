package clickhouse_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/sinks/clickhouse/chtest"
)

// everyType is a table with a column of each type.
type everyType struct {
	columns.Table
	n      *columns.Fixed[uint64]
	u8     *columns.Fixed[uint8]
	u16    *columns.Fixed[uint16]
	u32    *columns.Fixed[uint32]
	i32    *columns.Fixed[int32]
	i64    *columns.Fixed[int64]
	f32    *columns.Fixed[float32]
	f64    *columns.Fixed[float64]
	yes    *columns.Fixed[uint8]
	at     *columns.Fixed[int64]
	maybe  *columns.MaybeMillis
	id     *columns.Blob
	ip     *columns.Blob
	text   *columns.Strings
	word   *columns.Dict
	words  *columns.List[*columns.Dict]
	texts  *columns.List[*columns.Strings]
	ids    *columns.List[*columns.Blob]
	attrs  *columns.Map
	things *columns.Pairs
}

func newEveryType() *everyType {
	e := &everyType{Table: columns.Table{Name: "every"}}
	t := &e.Table
	e.n = columns.Add(t, "n", columns.UInt64())
	e.u8 = columns.Add(t, "u8", columns.UInt8())
	e.u16 = columns.Add(t, "u16", columns.UInt16())
	e.u32 = columns.Add(t, "u32", columns.UInt32())
	e.i32 = columns.Add(t, "i32", columns.Int32())
	e.i64 = columns.Add(t, "i64", columns.Int64())
	e.f32 = columns.Add(t, "f32", columns.Float32())
	e.f64 = columns.Add(t, "f64", columns.Float64())
	e.yes = columns.Add(t, "yes", columns.Bool())
	e.at = columns.Add(t, "at", columns.Millis())
	e.maybe = columns.Add(t, "maybe", new(columns.MaybeMillis))
	e.id = columns.Add(t, "id", columns.UUID())
	e.ip = columns.Add(t, "ip", columns.IPv6())
	e.text = columns.Add(t, "text", new(columns.Strings))
	e.word = columns.Add(t, "word", new(columns.Dict))
	e.words = columns.Add(t, "words", columns.DictList())
	e.texts = columns.Add(t, "texts", columns.StringList())
	e.ids = columns.Add(t, "ids", columns.UUIDList())
	e.attrs = columns.Add(t, "attrs", new(columns.Map))
	e.things = columns.Add(t, "things", new(columns.Pairs))
	return e
}

func (e *everyType) ddl() string {
	var b strings.Builder
	b.WriteString("CREATE TABLE riposte.every (")
	for i, c := range e.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", e.Names[i], c.Type())
	}
	b.WriteString(") ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100")
	return b.String()
}

// row appends row n; what it holds follows from n. Even rows have empty lists.
func (e *everyType) row(n int) {
	e.n.Append(uint64(n))
	e.u8.Append(uint8(n))
	e.u16.Append(uint16(n))
	e.u32.Append(uint32(n) << 8)
	e.i32.Append(int32(-n))
	e.i64.Append(int64(-n) << 32)
	e.f32.Append(float32(n) / 2)
	e.f64.Append(float64(n) / 4)
	e.yes.Append(uint8(n % 2))
	e.at.Append(int64(n) + 1_700_000_000_123)
	e.maybe.Append(int64(n%2) * 1_700_000_000_456)
	e.id.Append(uuid.NewSHA1(uuid.Nil, []byte{byte(n)}))
	e.ip.Append([16]byte{10: 0xff, 11: 0xff, 12: 10, 13: 0, 14: byte(n >> 8), 15: byte(n)})
	e.text.Append(strings.Repeat("x", n%300))
	e.word.Append(fmt.Sprintf("w%d", n))
	if n%2 == 1 {
		e.words.Elems.Append("a")
		e.words.Elems.Append(fmt.Sprintf("w%d", n))
		e.texts.Elems.Append("")
		e.texts.Elems.Append("t\n'\"\\")
		e.ids.Elems.Append(uuid.NewSHA1(uuid.Nil, []byte{byte(n)}))
		e.attrs.Keys.Append("a.b")
		e.attrs.Values.Append(fmt.Sprint(n))
		e.things.Kinds.Append("ip")
		e.things.Values.Append(fmt.Sprintf("10.0.0.%d", n))
	}
	e.words.End()
	e.texts.End()
	e.ids.End()
	e.attrs.End()
	e.things.End()
}

func TestColumnsArriveAsTheyWereAppended(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	e := newEveryType()
	if err := s.Exec(t.Context(), e.ddl()); err != nil {
		t.Fatal(err)
	}
	// 70,000 words need 4 bytes each; the second block has few again, in reused memory.
	f := func(block string, from, to int) {
		t.Helper()
		e.Reset()
		for n := from; n < to; n++ {
			e.row(n)
		}
		if err := s.InsertTable(t.Context(), block, &e.Table); err != nil {
			t.Fatalf("%s: %v", block, err)
		}
	}
	f("70,000 rows", 0, 70_000)
	f("2 rows", 70_000, 70_002)
	f("one row with empty lists", 70_002, 70_003)
	f("300 rows", 70_003, 70_303)

	var wrong []struct{ N uint64 }
	err := s.Rows(t.Context(), `SELECT n AS N FROM riposte.every WHERE NOT (
  u8 = n % 256 AND u16 = n % 65536 AND u32 = n * 256 AND i32 = -toInt64(n) AND i64 = -toInt64(n) * 4294967296 AND f32 = n / 2 AND f64 = n / 4
  AND yes = (n % 2 = 1) AND toUnixTimestamp64Milli(at) = n + 1700000000123 AND (n % 2 = 1 ? toUnixTimestamp64Milli(assumeNotNull(maybe)) = 1700000000456 : maybe IS NULL)
  AND ip = toIPv6(concat('10.0.', toString(intDiv(n, 256) % 256), '.', toString(n % 256)))
  AND text = repeat('x', n % 300) AND word = concat('w', toString(n))
  AND words = if(n % 2 = 1, ['a', concat('w', toString(n))], []) AND texts = if(n % 2 = 1, ['', 't\n\'"\\'], [])
  AND ids = if(n % 2 = 1, [id], []) AND attrs = if(n % 2 = 1, map('a.b', toString(n)), map())
  AND things = if(n % 2 = 1, [('ip', concat('10.0.0.', toString(n)))], [])
) LIMIT 5`, &wrong)
	if err != nil {
		t.Fatal(err)
	}
	if len(wrong) > 0 {
		t.Errorf("rows that are not as appended: %v", wrong)
	}
	var ids []struct {
		N  uint64
		ID uuid.UUID
		At time.Time
	}
	if err := s.Rows(t.Context(), "SELECT n AS N, id AS ID, at AS At FROM riposte.every WHERE n IN (7, 70001) ORDER BY n", &ids); err != nil {
		t.Fatal(err)
	}
	for _, r := range ids {
		if want := uuid.NewSHA1(uuid.Nil, []byte{byte(r.N)}); r.ID != want {
			t.Errorf("row %d: got id %s, want %s", r.N, r.ID, want)
		}
	}
	if len(ids) != 2 {
		t.Errorf("got %d of 2 rows", len(ids))
	}
}

func TestEmptyTableIsNoInsert(t *testing.T) {
	t.Parallel()
	s := chtest.Store(t)
	if err := s.InsertTable(t.Context(), "none", &newEveryType().Table); err != nil { // the table does not exist
		t.Error(err)
	}
}

func TestEveryColumnTypeHasAnEncoder(t *testing.T) {
	t.Parallel()
	e := newEveryType()
	types := make([]string, 0, len(e.Columns))
	for _, c := range e.Columns {
		types = append(types, c.Type())
	}
	slices.Sort(types)
	if got := len(slices.Compact(types)); got != len(e.Columns) {
		t.Errorf("%d types in %d columns: one type twice means that another is missing", got, len(e.Columns))
	}
}
