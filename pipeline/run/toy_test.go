package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// tallyStage is a stage with state: it numbers the records of each key and drops those
// whose value it saw before. Value "poison" makes it panic, "bad" is a reject.
type tallyStage struct {
	seen  map[string]uint64 // by key: how many
	once  map[string]bool   // values seen
	undo  map[string]uint64
	fresh map[string]bool // values first seen since the last commit
	ticks int
	fail  func(value string) error // nil: no failures
}

var _ pipeline.Stateful = (*tallyStage)(nil)

func newTally() *tallyStage {
	return &tallyStage{
		seen: map[string]uint64{}, once: map[string]bool{},
		undo: map[string]uint64{}, fresh: map[string]bool{},
	}
}

func tallyFactory(string, int32) (pipeline.Stage, error) { return newTally(), nil }

func (s *tallyStage) Process(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		r := &b.In[i]
		key, value := string(r.Key), string(r.Value)
		b.Counts.In++
		b.Counts.Bytes += len(r.Value)
		if s.fail != nil {
			if err := s.fail(value); err != nil {
				return err
			}
		}
		if strings.HasPrefix(value, "poison") {
			// The damage is done before the failure is noticed.
			s.bump(key)
			panic("cannot digest " + value)
		}
		if strings.HasPrefix(value, "bad") {
			b.Counts.Rejected++
			b.Reject(i, "toy", "bad", value)
			continue
		}
		if s.once[value] {
			b.Counts.Duplicate++
			continue
		}
		b.Counts.Live++
		s.once[value], s.fresh[value] = true, true
		n := s.bump(key)
		b.Emit(pipeline.Message{
			Topic: "out", Key: b.Arena.Copy(r.Key),
			Value: b.Arena.Copy(fmt.Appendf(nil, "%s %s %d", key, value, n)),
		})
	}
	return nil
}

func (s *tallyStage) bump(key string) uint64 {
	if _, ok := s.undo[key]; !ok {
		s.undo[key] = s.seen[key]
	}
	s.seen[key]++
	return s.seen[key]
}

func (s *tallyStage) Tick(context.Context, pipeline.Millis, *pipeline.Batch) error {
	s.ticks++
	return nil
}

func (s *tallyStage) AppendDelta(dst []byte) []byte {
	for _, k := range slices.Sorted(maps.Keys(s.undo)) {
		dst = appendEntry(dst, 'k', k, s.seen[k])
	}
	for _, v := range slices.Sorted(maps.Keys(s.fresh)) {
		dst = appendEntry(dst, 'v', v, 1)
	}
	return dst
}

func appendEntry(dst []byte, kind byte, name string, n uint64) []byte {
	dst = append(dst, kind)
	dst = binary.AppendUvarint(dst, uint64(len(name)))
	dst = append(dst, name...)
	return binary.AppendUvarint(dst, n)
}

func (s *tallyStage) Commit() { clear(s.undo); clear(s.fresh) }

func (s *tallyStage) Rollback() {
	for k, n := range s.undo {
		if n == 0 {
			delete(s.seen, k)
			continue
		}
		s.seen[k] = n
	}
	for v := range s.fresh {
		delete(s.once, v)
	}
	s.Commit()
}

func (s *tallyStage) Snapshot(emit func([]byte) error) error {
	var piece []byte
	flush := func(least int) error {
		if len(piece) < least {
			return nil
		}
		err := emit(piece)
		piece = piece[:0]
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(s.seen)) {
		piece = appendEntry(piece, 'k', k, s.seen[k])
		if err := flush(4096); err != nil {
			return err
		}
	}
	for _, v := range slices.Sorted(maps.Keys(s.once)) {
		piece = appendEntry(piece, 'v', v, 1)
		if err := flush(4096); err != nil {
			return err
		}
	}
	return flush(1)
}

func (s *tallyStage) Restore(piece []byte) error {
	for len(piece) > 0 {
		kind := piece[0]
		size, n := binary.Uvarint(piece[1:])
		if n <= 0 || size > uint64(len(piece)-1-n) {
			return errors.New("entry is cut")
		}
		name := string(piece[1+n : 1+n+int(size)])
		piece = piece[1+n+int(size):]
		count, n := binary.Uvarint(piece)
		if n <= 0 {
			return errors.New("count is cut")
		}
		piece = piece[n:]
		switch kind {
		case 'k':
			s.seen[name] = count
		case 'v':
			s.once[name] = true
		default:
			return fmt.Errorf("entry of kind %d", kind)
		}
	}
	return nil
}

func (s *tallyStage) StateBytes() int { return 64 * (len(s.seen) + len(s.once)) }

// passStage has no state: it copies records to out.
type passStage struct{}

func (passStage) Process(_ context.Context, b *pipeline.Batch) error {
	for i := range b.In {
		b.Emit(pipeline.Message{Topic: "out", Key: b.In[i].Key, Value: b.In[i].Value, Headers: b.In[i].Headers})
	}
	return nil
}
