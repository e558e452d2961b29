package record

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/internal/columns"
	"github.com/riposte-sec/riposte/pipeline"
)

// dump writes a table as one line per row, "name=value" for each column whose value is not
// the zero of its type.
func dump(t *testing.T, tab *columns.Table) string {
	t.Helper()
	var b strings.Builder
	for row := range tab.Len() {
		var cells []string
		for i, c := range tab.Columns {
			if s := cell(c, row); s != "" {
				cells = append(cells, tab.Names[i]+"="+s)
			}
		}
		fmt.Fprintln(&b, strings.Join(cells, " "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// cell writes one value, nothing for a zero.
func cell(c columns.Column, row int) string {
	switch c := c.(type) {
	case *columns.Fixed[uint8]:
		return nonzero(c.Values[row])
	case *columns.Fixed[uint16]:
		return nonzero(c.Values[row])
	case *columns.Fixed[uint32]:
		return nonzero(c.Values[row])
	case *columns.Fixed[uint64]:
		return nonzero(c.Values[row])
	case *columns.Fixed[int32]:
		return nonzero(c.Values[row])
	case *columns.Fixed[int64]:
		return nonzero(c.Values[row])
	case *columns.Fixed[float32]:
		return nonzero(c.Values[row])
	case *columns.Fixed[float64]:
		return nonzero(c.Values[row])
	case *columns.MaybeMillis:
		return nonzero(c.Values[row])
	case *columns.Blob:
		return blob(c, row)
	case *columns.Strings:
		return strings.ReplaceAll(string(c.Row(row)), "\x1f", "|")
	case *columns.Dict:
		return string(c.Row(row))
	}
	return list(c, row)
}

func nonzero[T columns.Number](v T) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprint(v)
}

func blob(c *columns.Blob, row int) string {
	v := c.Values[row]
	switch {
	case v == [16]byte{}:
		return ""
	case c.Type() == "IPv6":
		return netip.AddrFrom16(v).Unmap().String()
	}
	return names[pipeline.ID(v)]
}

func list(c columns.Column, row int) string {
	between := func(ends []uint64) (int, int) {
		if row == 0 {
			return 0, int(ends[0])
		}
		return int(ends[row-1]), int(ends[row])
	}
	var items []string
	switch c := c.(type) {
	case *columns.List[*columns.Dict]:
		for i, to := between(c.Ends); i < to; i++ {
			items = append(items, string(c.Elems.Row(i)))
		}
	case *columns.List[*columns.Strings]:
		for i, to := between(c.Ends); i < to; i++ {
			items = append(items, string(c.Elems.Row(i)))
		}
	case *columns.List[*columns.Blob]:
		for i, to := between(c.Ends); i < to; i++ {
			items = append(items, blob(c.Elems, i))
		}
	case *columns.Map:
		for i, to := between(c.Ends); i < to; i++ {
			items = append(items, string(c.Keys.Row(i))+":"+string(c.Values.Row(i)))
		}
	case *columns.Pairs:
		for i, to := between(c.Ends); i < to; i++ {
			items = append(items, string(c.Kinds.Row(i))+":"+string(c.Values.Row(i)))
		}
	default:
		panic(fmt.Sprintf("BUG: %T", c))
	}
	if len(items) == 0 {
		return ""
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// names are the ids that tests use, by what they stand for.
var names = func() map[pipeline.ID]string {
	m := map[pipeline.ID]string{}
	for _, n := range []string{"event", "signal", "signal2", "fact", "alert", "incident", "decision", "intent"} {
		m[id(n)] = n
	}
	return m
}()

func id(name string) pipeline.ID { return pipeline.HashID("test", name) }
