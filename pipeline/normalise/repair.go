package normalise

import (
	"bytes"
	"unicode/utf8"

	"github.com/riposte-sec/riposte/pipeline"
)

// toUTF8 returns p with each byte that is no UTF-8 replaced by U+FFFD, in the arena.
func toUTF8(arena *pipeline.Arena, p []byte) []byte {
	n := len(p)
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && size == 1 {
			n += len("\uFFFD") - 1
		}
		i += size
	}
	out := arena.Bytes(n)[:0]
	for i := 0; i < len(p); {
		r, size := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && size == 1 {
			out = append(out, "\uFFFD"...)
		} else {
			out = append(out, p[i:i+size]...)
		}
		i += size
	}
	return out
}

// repair copies a record whose grammar is right into the arena, with escapes of lone
// surrogates replaced by that of U+FFFD and strings cut to MaxString bytes, between
// characters.
func repair(arena *pipeline.Arena, p []byte) []byte {
	out := arena.Bytes(len(p))[:0]
	for len(p) > 0 {
		quote := bytes.IndexByte(p, '"')
		if quote < 0 {
			return append(out, p...)
		}
		out = append(out, p[:quote+1]...)
		var n int
		out, n = repairText(out, p[quote+1:])
		p = p[quote+1+n:]
	}
	return out
}

// repairText copies a string with its closing quote and returns how much of p it was.
func repairText(out, p []byte) ([]byte, int) {
	room := MaxString
	for i := 0; i < len(p); {
		if p[i] == '"' {
			return append(out, '"'), i + 1
		}
		unit := p[i:characterEnd(p, i)]
		i += len(unit)
		if isLone(unit) {
			unit = []byte(`\ufffd`)
		}
		if room -= len(unit); room >= 0 {
			out = append(out, unit...)
		}
	}
	return out, len(p)
}

// characterEnd returns where the character at i ends: an escape, a pair of surrogates in
// two escapes, or a UTF-8 sequence.
func characterEnd(p []byte, i int) int {
	if p[i] != '\\' {
		_, size := utf8.DecodeRune(p[i:])
		return i + size
	}
	if high, ok := escaped16(p, i); ok {
		if low, ok := escaped16(p, i+6); ok && high>>10 == 0xd800>>10 && low>>10 == 0xdc00>>10 {
			return i + 12
		}
		return i + 6
	}
	return min(i+2, len(p))
}

func isLone(unit []byte) bool {
	u, ok := escaped16(unit, 0)
	return ok && len(unit) == 6 && u>>11 == 0xd800>>11
}
