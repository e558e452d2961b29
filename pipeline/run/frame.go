package run

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/riposte-sec/riposte/pipeline"
)

// The records of a state topic are frames. A frame names whose state it carries and to
// which input offset the state belongs, is numbered without gaps within its partition and
// ends with a checksum, so that a restore knows whether it saw the whole state of the
// right stage. All numbers are big-endian:
//
//	4  "RPS1": magic and version of this form
//	1  kind
//	4  version of the stage's own form
//	8  sequence number, from 1
//	4  input partition
//	8  next input offset
//	8  watermark: newest append time seen, milliseconds
//	2  length of the stage's name, and the name
//	2  length of the input topic's name, and the name, without prefix
//	4  length of the payload, and the payload
//	4  CRC-32C of all of the above
const (
	frameMagic  = "RPS1"
	frameFixed  = 4 + 1 + 4 + 8 + 4 + 8 + 8
	frameTail   = 4
	framePiece  = 512 << 10 // payload of a frame at most
	frameFamily = "RPS"     // of all versions of the form
)

// frameKind says what the payload is.
type frameKind uint8

const (
	frameDelta     frameKind = 1 // the end of a delta: with it the state belongs to the offset
	frameDeltaPart frameKind = 2 // the delta goes on in the next frame
	frameChunk     frameKind = 3 // a piece of a snapshot
	frameChunkPart frameKind = 4 // the piece goes on in the next frame
	frameSeal      frameKind = 5 // the snapshot is whole; the payload is the number of its frames
)

var (
	errDamaged = errors.New("frame is damaged")
	errForeign = errors.New("frame is not of this stage and partition")
	errNewer   = errors.New("frame was written by a newer version")
	errGap     = errors.New("frames are missing")
	errOffset  = errors.New("state does not belong to the committed offset")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is one record of a state topic. Payload is a view when it was read.
type frame struct {
	Kind      frameKind
	Version   uint32
	Seq       uint64
	Partition int32
	Next      int64
	Watermark pipeline.Millis
	Stage     string
	Topic     string
	Payload   []byte
}

// appendTo appends the frame's encoding.
func (f *frame) appendTo(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, frameMagic...)
	dst = append(dst, byte(f.Kind))
	dst = binary.BigEndian.AppendUint32(dst, f.Version)
	dst = binary.BigEndian.AppendUint64(dst, f.Seq)
	dst = binary.BigEndian.AppendUint32(dst, uint32(f.Partition))
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.Next))
	dst = binary.BigEndian.AppendUint64(dst, uint64(f.Watermark))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.Stage)))
	dst = append(dst, f.Stage...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(f.Topic)))
	dst = append(dst, f.Topic...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.Payload)))
	dst = append(dst, f.Payload...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parse reads the frame that b holds and nothing else. The strings are copied, the payload
// is a view of b. The error matches errDamaged, or errNewer if the form is of a later
// version.
func (f *frame) parse(b []byte) error {
	if len(b) < frameFixed+frameTail || string(b[:len(frameFamily)]) != frameFamily {
		return fmt.Errorf("%w: %d bytes that do not start as a frame does", errDamaged, len(b))
	}
	if string(b[:len(frameMagic)]) != frameMagic {
		return fmt.Errorf("%w: form %q, this program reads %q", errNewer, b[:len(frameMagic)], frameMagic)
	}
	body, tail := b[:len(b)-frameTail], b[len(b)-frameTail:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(tail) {
		return fmt.Errorf("%w: the checksum does not fit", errDamaged)
	}
	f.Kind = frameKind(b[4])
	f.Version = binary.BigEndian.Uint32(b[5:])
	f.Seq = binary.BigEndian.Uint64(b[9:])
	f.Partition = int32(binary.BigEndian.Uint32(b[17:]))
	f.Next = int64(binary.BigEndian.Uint64(b[21:]))
	f.Watermark = pipeline.Millis(binary.BigEndian.Uint64(b[29:]))
	rest := body[frameFixed:]
	stage, rest, okStage := cutField(rest, 2)
	topic, rest, okTopic := cutField(rest, 2)
	payload, rest, okPayload := cutField(rest, 4)
	if !okStage || !okTopic || !okPayload || len(rest) != 0 {
		return fmt.Errorf("%w: the lengths do not fit", errDamaged)
	}
	if f.Kind < frameDelta || f.Kind > frameSeal {
		return fmt.Errorf("%w: kind %d", errDamaged, f.Kind)
	}
	f.Stage, f.Topic, f.Payload = string(stage), string(topic), payload
	return nil
}

// cutField cuts a field off b that is preceded by its length in width bytes.
func cutField(b []byte, width int) (field, rest []byte, ok bool) {
	if len(b) < width {
		return nil, nil, false
	}
	n := 0
	for _, c := range b[:width] {
		n = n<<8 | int(c)
	}
	b = b[width:]
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}
