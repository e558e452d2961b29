package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// Where the fields of a record batch of format 2 lie (KIP-98).
const (
	batchLength     = 8
	batchCounted    = 12 // the length counts everything from here on
	batchMagic      = 16
	batchCRC        = 17
	batchChecked    = 21 // the checksum covers everything from here on
	batchAttributes = 21
	batchFirstTS    = 27
	batchMaxTS      = 35
	batchProducer   = 43
	batchEpoch      = 51
	batchSequence   = 53
	batchRecords    = 57
	batchMinBytes   = 61
)

// Bits of the attributes: part of a transaction, and mark at the end of one.
const (
	transactional = 0x10
	control       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what a producer says about a batch, and where the batch lies.
type header struct {
	offset     int64
	attributes int16
	producer   int64 // -1: it has no number
	epoch      int16
	sequence   int32 // of the first record
	records    int32
}

// eachBatch calls f for each batch of a segment, up to the first that is not whole: the
// cluster cuts the segment off there.
func eachBatch(segment io.Reader, f func(header)) error {
	in := bufio.NewReaderSize(segment, 1<<20)
	var head [batchMinBytes]byte
	for {
		switch _, err := io.ReadFull(in, head[:]); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
		rest := int64(int32(binary.BigEndian.Uint32(head[batchLength:]))) + batchCounted - batchMinBytes
		if rest < 0 {
			return nil
		}
		sum := crc32.New(castagnoli)
		_, _ = sum.Write(head[batchChecked:])
		switch _, err := io.CopyN(sum, in, rest); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if sum.Sum32() != binary.BigEndian.Uint32(head[batchCRC:]) {
			return nil
		}
		f(header{
			offset:     int64(binary.BigEndian.Uint64(head[0:])),
			attributes: int16(binary.BigEndian.Uint16(head[batchAttributes:])),
			producer:   int64(binary.BigEndian.Uint64(head[batchProducer:])),
			epoch:      int16(binary.BigEndian.Uint16(head[batchEpoch:])),
			sequence:   int32(binary.BigEndian.Uint32(head[batchSequence:])),
			records:    int32(binary.BigEndian.Uint32(head[batchRecords:])),
		})
	}
}
