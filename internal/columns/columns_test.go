package columns

import (
	"strings"
	"testing"
)

func TestDictNumbersWordsInTheOrderInWhichTheyCome(t *testing.T) {
	t.Parallel()
	var c Dict
	f := func(words string, want ...uint32) {
		t.Helper()
		c.Reset()
		for w := range strings.FieldsSeq(words) {
			c.AppendBytes([]byte(w))
		}
		if len(c.Rows) != len(want) {
			t.Fatalf("%s: got %v, want %v", words, c.Rows, want)
		}
		for i, w := range strings.Fields(words) {
			if c.Rows[i] != want[i] || string(c.Row(i)) != w {
				t.Errorf("%s: row %d is %d (%s), want %d (%s)", words, i, c.Rows[i], c.Row(i), want[i], w)
			}
		}
	}
	f("a b a c b", 0, 1, 0, 2, 1)
	f("b b", 0, 0) // after a reset it starts anew
	f("")
}

func TestDictOwnsItsWords(t *testing.T) {
	t.Parallel()
	var c Dict
	word := []byte("first")
	c.AppendBytes(word)
	copy(word, "other")
	c.AppendBytes([]byte("first"))
	if c.Rows[1] != 0 || string(c.Row(0)) != "first" {
		t.Errorf("got row %d, word %q after the caller reused its bytes", c.Rows[1], c.Row(0))
	}
}

func TestDropTakesBackTheOpenRowOfAMap(t *testing.T) {
	t.Parallel()
	var m Map
	add := func(k, v string) { m.Keys.Append(k); m.Values.Append(v) }
	add("x", "0")
	m.Drop()
	if m.Keys.Len() != 0 || m.Values.Len() != 0 || len(m.Values.Bytes) != 0 {
		t.Fatalf("the first row is not taken back: %+v", m)
	}
	add("a", "1")
	m.End()
	add("b", "2")
	add("c", "3")
	m.Drop()
	add("d", "4")
	m.End()
	if m.Len() != 2 || m.Ends[1] != 2 || string(m.Keys.Row(1)) != "d" || string(m.Values.Row(1)) != "4" {
		t.Errorf("got %+v, want rows a=1 and d=4", m)
	}
}

func TestRowAppendedInPartIsABug(t *testing.T) {
	t.Parallel()
	tab := &Table{Name: "t"}
	a, b := Add(tab, "a", UInt8()), Add(tab, "b", new(Strings))
	a.Append(1)
	b.Append("x")
	if tab.Len() != 1 {
		t.Fatalf("got %d rows, want 1", tab.Len())
	}
	a.Append(2)
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "column b") {
			t.Errorf("got panic %q, want one that names column b", p)
		}
	}()
	tab.Len()
}

func TestRepeatedWordsAllocateNothing(t *testing.T) {
	var c Dict
	var m Map
	words := [][]byte{[]byte("alpha"), []byte("beta")}
	round := func() {
		for i := range 1000 {
			c.AppendBytes(words[i%2])
			m.Keys.AppendBytes(words[i%2])
			m.Values.AppendBytes(words[i%2])
			m.End()
		}
	}
	round()
	if got := testing.AllocsPerRun(10, func() {
		c.Rows, m.Keys.Rows, m.Ends = c.Rows[:0], m.Keys.Rows[:0], m.Ends[:0]
		m.Values.Reset()
		round()
	}); got != 0 {
		t.Errorf("got %v allocations per 1,000 rows of known words, want 0", got)
	}
}
