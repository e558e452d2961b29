package run

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/riposte-sec/riposte/pipeline"
)

func TestBrowseGivesEveryRecordInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2)
	r.produce("a 1", "b 2", "a 3", "c 4")
	var got []string
	last := map[int32]int64{}
	err := Browse(t.Context(), r.k, "in", func(p int32, rec *pipeline.Record) error {
		if prev, ok := last[p]; ok && rec.Offset <= prev {
			t.Errorf("offset %d after %d", rec.Offset, prev)
		}
		last[p] = rec.Offset
		got = append(got, string(rec.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	equal(t, got, []string{"1", "2", "3", "4"})
}

func TestBrowseEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	r.produce("a 1", "a 2")
	n := 0
	if err := Browse(t.Context(), r.k, "in", func(int32, *pipeline.Record) error { n++; return ErrEnough }); err != nil || n != 1 {
		t.Errorf("enough: %d records, %v", n, err)
	}
	if err := Browse(t.Context(), r.k, "in", func(int32, *pipeline.Record) error { return io.ErrUnexpectedEOF }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error of visit: %v", err)
	}
}
