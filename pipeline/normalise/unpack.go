package normalise

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// unpacker unpacks gzip and zstd values into a buffer of its own.
type unpacker struct {
	in   bytes.Reader
	gzip gzip.Reader
	zstd *zstd.Decoder
	out  []byte
}

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

func isPacked(p []byte) bool { return bytes.HasPrefix(p, gzipMagic) || bytes.HasPrefix(p, zstdMagic) }

// unpack returns what p holds, valid until the next call, or the reason of a reject.
func (u *unpacker) unpack(p []byte) ([]byte, string) {
	if bytes.HasPrefix(p, zstdMagic) {
		return u.unzstd(p)
	}
	u.in.Reset(p)
	if err := u.gzip.Reset(&u.in); err != nil {
		return nil, ReasonCompression
	}
	u.out = u.out[:0]
	for {
		if len(u.out) == cap(u.out) {
			if cap(u.out) > MaxUnpacked {
				return nil, ReasonBomb
			}
			u.out = append(u.out, make([]byte, max(64<<10, len(u.out)))...)[:len(u.out)]
		}
		n, err := u.gzip.Read(u.out[len(u.out):cap(u.out)])
		u.out = u.out[:len(u.out)+n]
		if errors.Is(err, io.EOF) {
			return u.limited()
		}
		if err != nil {
			return nil, ReasonCompression
		}
	}
}

func (u *unpacker) unzstd(p []byte) ([]byte, string) {
	if u.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxUnpacked))
		if err != nil {
			panic("BUG: zstd options: " + err.Error())
		}
		u.zstd = d
	}
	out, err := u.zstd.DecodeAll(p, u.out[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, ReasonBomb
	}
	if err != nil {
		return nil, ReasonCompression
	}
	u.out = out
	return u.limited()
}

func (u *unpacker) limited() ([]byte, string) {
	if len(u.out) > MaxUnpacked {
		return nil, ReasonBomb
	}
	return u.out, ""
}
