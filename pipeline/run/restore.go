package run

import (
	"encoding/binary"
	"fmt"

	"github.com/riposte-sec/riposte/pipeline"
)

// restorer rebuilds the state of one partition from the frames of its state topic. It
// accepts the whole state or nothing: a frame that is damaged, foreign, newer or missing
// is an error, and so is an end that does not fit the committed offset.
type restorer struct {
	stage     string
	version   uint32
	topic     string
	partition int32
	fresh     func() (pipeline.Stateful, error)

	cur      pipeline.Stateful // nil until the first whole delta or snapshot
	building pipeline.Stateful // snapshot whose seal has not come yet
	chunks   uint32            // frames of that snapshot
	piece    []byte            // of a payload that goes on in the next frame
	pieceOf  frameKind         // what the piece will be, zero if there is none

	seq        uint64
	next       int64
	watermark  pipeline.Millis
	snapBytes  int64 // size of the newest snapshot
	sinceBytes int64 // size of the deltas after it
}

// add takes the next frame of the partition.
func (r *restorer) add(value []byte) error {
	var f frame
	if err := f.parse(value); err != nil {
		return err
	}
	if f.Stage != r.stage || f.Topic != r.topic || f.Partition != r.partition {
		return fmt.Errorf("%w: it is of stage %q, input %s[%d]", errForeign, f.Stage, f.Topic, f.Partition)
	}
	if f.Version > r.version {
		return fmt.Errorf("%w of the stage: %d, this program has %d", errNewer, f.Version, r.version)
	}
	if err := r.inSequence(&f); err != nil {
		return err
	}
	r.seq = f.Seq
	switch f.Kind {
	case frameDeltaPart:
		return r.hold(&f, frameDelta)
	case frameChunkPart:
		return r.hold(&f, frameChunk)
	case frameDelta:
		return r.delta(&f)
	case frameChunk:
		return r.chunk(&f)
	case frameSeal:
		return r.seal(&f)
	}
	return fmt.Errorf("%w: kind %d", errDamaged, f.Kind)
}

// inSequence checks that no frame is missing before f. The first one is either the first
// ever or the start of a snapshot, whose seal tells how many frames it must have had.
func (r *restorer) inSequence(f *frame) error {
	switch {
	case r.seq != 0 && f.Seq != r.seq+1:
		return fmt.Errorf("%w: %d comes after %d", errGap, f.Seq, r.seq)
	case r.seq == 0 && f.Seq != 1 && (f.Kind == frameDelta || f.Kind == frameDeltaPart):
		return fmt.Errorf("%w: the oldest one is delta %d, and no snapshot lies before it", errGap, f.Seq)
	case r.pieceOf != 0 && whole(f.Kind) != r.pieceOf:
		return fmt.Errorf("%w: a payload that goes on is followed by kind %d", errDamaged, f.Kind)
	case r.building != nil && whole(f.Kind) == frameDelta:
		return fmt.Errorf("%w: delta %d lies inside a snapshot that has no seal", errDamaged, f.Seq)
	}
	return nil
}

// whole returns the kind of a payload of which k may be a part.
func whole(k frameKind) frameKind {
	switch k {
	case frameDeltaPart:
		return frameDelta
	case frameChunkPart:
		return frameChunk
	case frameDelta, frameChunk, frameSeal:
	}
	return k
}

func (r *restorer) hold(f *frame, of frameKind) error {
	if of == frameChunk {
		if err := r.build(); err != nil {
			return err
		}
		r.chunks++
	}
	r.piece = append(r.piece, f.Payload...)
	r.pieceOf = of
	return nil
}

// take returns the whole payload that f ends.
func (r *restorer) take(f *frame) []byte {
	if r.pieceOf == 0 {
		return f.Payload
	}
	p := append(r.piece, f.Payload...)
	r.piece, r.pieceOf = p[:0], 0
	return p
}

func (r *restorer) delta(f *frame) error {
	if r.cur == nil {
		s, err := r.fresh()
		if err != nil {
			return err
		}
		r.cur = s
	}
	if r.next > f.Next {
		return fmt.Errorf("%w: the input offset goes back from %d to %d", errDamaged, r.next, f.Next)
	}
	payload := r.take(f)
	r.next, r.watermark = f.Next, f.Watermark
	r.sinceBytes += int64(len(payload))
	if len(payload) == 0 {
		return nil
	}
	if err := r.cur.Restore(payload); err != nil {
		return fmt.Errorf("%w: delta %d: %w", errDamaged, f.Seq, err)
	}
	return nil
}

func (r *restorer) build() error {
	if r.building != nil {
		return nil
	}
	s, err := r.fresh()
	if err != nil {
		return err
	}
	r.building, r.chunks, r.snapBytes = s, 0, 0
	return nil
}

func (r *restorer) chunk(f *frame) error {
	if err := r.build(); err != nil {
		return err
	}
	r.chunks++
	payload := r.take(f)
	r.snapBytes += int64(len(payload))
	if err := r.building.Restore(payload); err != nil {
		return fmt.Errorf("%w: snapshot frame %d: %w", errDamaged, f.Seq, err)
	}
	return nil
}

func (r *restorer) seal(f *frame) error {
	if err := r.build(); err != nil {
		return err
	}
	if len(f.Payload) != 4 {
		return fmt.Errorf("%w: seal %d", errDamaged, f.Seq)
	}
	if want := binary.BigEndian.Uint32(f.Payload); want != r.chunks {
		return fmt.Errorf("%w: the snapshot had %d, there are %d", errGap, want, r.chunks)
	}
	if r.cur != nil && r.next != f.Next {
		return fmt.Errorf("%w: a snapshot at input offset %d follows deltas to %d", errDamaged, f.Next, r.next)
	}
	r.cur, r.building = r.building, nil
	r.next, r.watermark, r.sinceBytes = f.Next, f.Watermark, 0
	return nil
}

// finish checks that the end of the state topic was an end, and that the state belongs to
// the offset that the group committed (negative: none). Without state and commit the
// result is a new instance.
func (r *restorer) finish(committed int64) (pipeline.Stateful, error) {
	switch {
	case r.pieceOf != 0:
		return nil, fmt.Errorf("%w: the last payload does not end", errGap)
	case r.building != nil:
		return nil, fmt.Errorf("%w: the last snapshot has no seal", errGap)
	case r.cur == nil && committed < 0:
		return r.fresh()
	case r.cur == nil:
		return nil, fmt.Errorf("%w: the group committed %d and there is no state at all", errOffset, committed)
	case r.next != committed:
		return nil, fmt.Errorf("%w: the state is at input offset %d, the group committed %d (negative: nothing)",
			errOffset, r.next, committed)
	}
	return r.cur, nil
}
