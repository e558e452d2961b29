package journal

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// pieceSize is how large a piece of a snapshot grows at most, unless one value is larger.
const pieceSize = 512 << 10

// Journal is a set of tables that are committed together. Create it with New, then its
// tables with NewTable, in the same order in every run: the order is part of the wire form.
// Not safe for concurrent use.
type Journal struct {
	version byte
	tables  []table
}

type table interface {
	changes(emit func(entry))
	committed(emit func(entry) error) error
	decode(value []byte) (any, error)
	put(key string, v any, size int)
	remove(key string)
	commit()
	rollback()
	bytes() int
}

// New returns an empty journal. version is that of the values' form, from 1; a frame with a
// greater one is refused by Restore.
func New(version byte) *Journal { return &Journal{version: version} }

// AppendDelta appends a frame with every key that changed since the last Commit, and
// nothing if none did. It changes nothing.
func (j *Journal) AppendDelta(dst []byte) []byte {
	from := len(dst)
	dst = appendHead(dst, j.version)
	empty := len(dst)
	for _, t := range j.tables {
		t.changes(func(e entry) { dst = appendEntry(dst, e) })
	}
	if len(dst) == empty {
		return dst[:from]
	}
	seal(dst, from)
	return dst
}

// Commit makes the changes since the last Commit final.
func (j *Journal) Commit() {
	for _, t := range j.tables {
		t.commit()
	}
}

// Rollback takes back the changes since the last Commit.
func (j *Journal) Rollback() {
	for _, t := range j.tables {
		t.rollback()
	}
}

// Snapshot calls emit with frames of at most about 512 KiB that together hold the state as
// of the last Commit. A frame reads right only during the call.
func (j *Journal) Snapshot(emit func(piece []byte) error) error {
	buf := appendHead(nil, j.version)
	flush := func() error {
		if len(buf) == headSize {
			return nil
		}
		seal(buf, 0)
		err := emit(buf)
		buf = appendHead(buf[:0], j.version)
		return err
	}
	for _, t := range j.tables {
		err := t.committed(func(e entry) error {
			if len(buf) > headSize && len(buf)+len(e.key)+len(e.value) > pieceSize {
				if err := flush(); err != nil {
					return err
				}
			}
			buf = appendEntry(buf, e)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return flush()
}

// Restore applies a frame of AppendDelta or Snapshot, and commits it. On an error it has
// changed nothing.
func (j *Journal) Restore(piece []byte) error {
	entries, err := parse(piece, j.version)
	if err != nil {
		return err
	}
	values := make([]any, len(entries))
	for i, e := range entries {
		if int(e.table) >= len(j.tables) {
			return fmt.Errorf("%w: table %d of %d", ErrFrame, e.table, len(j.tables))
		}
		if e.op == opDelete {
			continue
		}
		if values[i], err = j.tables[e.table].decode(e.value); err != nil {
			return fmt.Errorf("%w: table %d: %w", ErrFrame, e.table, err)
		}
	}
	for i, e := range entries {
		if e.op == opDelete {
			j.tables[e.table].remove(e.key)
		} else {
			j.tables[e.table].put(e.key, values[i], len(e.value))
		}
	}
	return nil
}

// Bytes estimates the memory that the tables take.
func (j *Journal) Bytes() int {
	n := 0
	for _, t := range j.tables {
		n += t.bytes()
	}
	return n
}

// Table maps keys to values of type V. A value that Get returned must not be changed; Edit
// returns one that may be, until the next Commit or Rollback.
type Table[V any] struct {
	number  byte
	clone   func(V) V
	rows    map[string]*row[V]
	touched map[string]*row[V] // key -> row as of the last Commit, nil if there was none
	size    int
}

type row[V any] struct {
	value V
	size  int // of the JSON form, as of the last commit
}

// rowOverhead is what a row costs beside its value: map bucket, pointer, key header.
const rowOverhead = 64

// NewTable adds a table to j. clone makes a copy that shares nothing that may change with
// its original. V must survive a round trip through JSON.
func NewTable[V any](j *Journal, clone func(V) V) *Table[V] {
	t := &Table[V]{
		number: byte(len(j.tables)),
		clone:  clone,
		rows:   map[string]*row[V]{}, touched: map[string]*row[V]{},
	}
	j.tables = append(j.tables, t)
	return t
}

// Get returns the value of key, or nil. It must not be changed.
func (t *Table[V]) Get(key string) *V {
	if r := t.rows[key]; r != nil {
		return &r.value
	}
	return nil
}

// Edit returns the value of key to be changed, a zero value if there was none.
func (t *Table[V]) Edit(key string) *V {
	old := t.rows[key]
	if _, done := t.touched[key]; done && old != nil {
		return &old.value
	}
	if _, done := t.touched[key]; !done {
		t.touched[key] = old
	}
	r := &row[V]{}
	if old != nil {
		r.value, r.size = t.clone(old.value), old.size
	}
	t.rows[key] = r
	return &r.value
}

// Delete removes key. Removing what is not there changes nothing.
func (t *Table[V]) Delete(key string) {
	old := t.rows[key]
	if old == nil {
		return
	}
	if _, done := t.touched[key]; !done {
		t.touched[key] = old
	}
	delete(t.rows, key)
}

// Len returns the number of keys.
func (t *Table[V]) Len() int { return len(t.rows) }

// All yields the rows in the order of their keys. The table must not change meanwhile.
func (t *Table[V]) All() iter.Seq2[string, *V] {
	return func(yield func(string, *V) bool) {
		for _, k := range slices.Sorted(maps.Keys(t.rows)) {
			if !yield(k, &t.rows[k].value) {
				return
			}
		}
	}
}

func (t *Table[V]) changes(emit func(entry)) {
	for _, k := range slices.Sorted(maps.Keys(t.touched)) {
		r := t.rows[k]
		switch {
		case r != nil:
			emit(entry{t.number, opPut, k, t.encode(r)})
		case t.touched[k] != nil:
			emit(entry{t.number, opDelete, k, nil})
		}
	}
}

func (t *Table[V]) committed(emit func(entry) error) error {
	keys := slices.Collect(maps.Keys(t.rows))
	for k, old := range t.touched {
		if old != nil && t.rows[k] == nil {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		r := t.rows[k]
		if old, changed := t.touched[k]; changed {
			r = old
		}
		if r == nil {
			continue
		}
		if err := emit(entry{t.number, opPut, k, t.encode(r)}); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table[V]) encode(r *row[V]) []byte {
	p, err := json.Marshal(r.value)
	if err != nil {
		panic(fmt.Sprintf("BUG: journal: %T has no JSON form: %v", r.value, err))
	}
	return p
}

func (t *Table[V]) decode(value []byte) (any, error) {
	r := &row[V]{}
	if err := json.Unmarshal(value, &r.value); err != nil {
		return nil, err
	}
	return r, nil
}

func (t *Table[V]) put(key string, v any, size int) {
	t.remove(key)
	r, ok := v.(*row[V])
	if !ok {
		panic(fmt.Sprintf("BUG: journal: row of type %T", v))
	}
	r.size = size
	t.rows[key] = r
	t.size += len(key) + size + rowOverhead
}

func (t *Table[V]) remove(key string) {
	if r := t.rows[key]; r != nil {
		t.size -= len(key) + r.size + rowOverhead
		delete(t.rows, key)
	}
}

func (t *Table[V]) commit() {
	for k, old := range t.touched {
		if old != nil {
			t.size -= len(k) + old.size + rowOverhead
		}
		if r := t.rows[k]; r != nil {
			r.size = len(t.encode(r))
			t.size += len(k) + r.size + rowOverhead
		}
	}
	clear(t.touched)
}

func (t *Table[V]) rollback() {
	for k, old := range t.touched {
		if old == nil {
			delete(t.rows, k)
		} else {
			t.rows[k] = old
		}
	}
	clear(t.touched)
}

// bytes doubles the size of the JSON form: decoded values hold a header per string and slice.
func (t *Table[V]) bytes() int { return 2 * t.size }
