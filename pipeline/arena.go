package pipeline

import "unsafe"

// arenaBlock is the size of an arena's blocks. 256 KiB holds the encoded output of about
// 150 events of 1.3 kB; larger values get a block of their own.
const arenaBlock = 256 << 10

// Arena is bump-allocated memory that lives as long as its batch. The zero value is ready
// to use. Views into it read right until Reset. Not safe for concurrent use.
type Arena struct {
	blocks [][]byte // blocks[:used] are in use, the last of them is being filled
	used   int
	large  [][]byte // values larger than a block; dropped by Reset

	attrs    slab[Attr]
	entities slab[Entity]
	headers  slab[Header]
}

// Bytes returns n zeroed bytes of the arena, with no spare capacity.
func (a *Arena) Bytes(n int) []byte {
	b := a.room(n)
	s := b[len(b) : len(b)+n : len(b)+n]
	clear(s)
	a.keep(b[:len(b)+n])
	return s
}

// Copy copies p into the arena.
func (a *Arena) Copy(p []byte) []byte {
	b := a.room(len(p))
	from := len(b)
	b = append(b, p...)
	a.keep(b)
	return b[from:len(b):len(b)]
}

// CopyString copies s into the arena and returns the copy.
func (a *Arena) CopyString(s string) string {
	b := a.room(len(s))
	from := len(b)
	b = append(b, s...)
	a.keep(b)
	return View(b[from:])
}

// Append calls f with a buffer to append to and keeps what f appended. f must return the
// buffer it was given, grown; what it returns is valid as part of the arena. Nested use is
// not allowed. hint is a guess of how many bytes will be appended.
func (a *Arena) Append(hint int, f func(dst []byte) []byte) []byte {
	b := a.room(hint)
	from := len(b)
	return a.took(b, f(b), from)
}

// took keeps what was appended to b, a result of room, from position from on.
func (a *Arena) took(b, out []byte, from int) []byte {
	if cap(out) == cap(b) && cap(b) > 0 && &out[:1][0] == &b[:1][0] {
		a.keep(out)
	}
	// Otherwise it outgrew the block: append moved the bytes to memory of their own.
	return out[from:len(out):len(out)]
}

// Reset forgets everything and keeps the blocks.
func (a *Arena) Reset() {
	for i := range a.blocks[:a.used] {
		mangle(a.blocks[i])
		a.blocks[i] = a.blocks[i][:0]
	}
	for i := range a.large {
		mangle(a.large[i])
		a.large[i] = nil
	}
	a.large = a.large[:0]
	a.used = 0
	a.attrs.reset()
	a.entities.reset()
	a.headers.reset()
}

// Size returns the bytes that the arena holds from the operating system's view.
func (a *Arena) Size() int {
	n := len(a.blocks) * arenaBlock
	for _, l := range a.large {
		n += cap(l)
	}
	return n
}

// room returns the block to append n bytes to; keep stores it back.
func (a *Arena) room(n int) []byte {
	if n > arenaBlock/2 {
		return make([]byte, 0, max(n, arenaBlock+1)) // never the size of a block: keep tells them apart by it
	}
	if a.used > 0 {
		if b := a.blocks[a.used-1]; cap(b)-len(b) >= n {
			return b
		}
	}
	if a.used == len(a.blocks) {
		a.blocks = append(a.blocks, make([]byte, 0, arenaBlock))
	}
	a.used++
	return a.blocks[a.used-1]
}

func (a *Arena) keep(b []byte) {
	if cap(b) != arenaBlock {
		a.large = append(a.large, b)
		return
	}
	a.blocks[a.used-1] = b
}

// View returns p as a string without copying. The string changes when p does: use it only
// inside the life of p's owner.
func View(p []byte) string { return unsafe.String(unsafe.SliceData(p), len(p)) }
