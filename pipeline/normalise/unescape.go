package normalise

import (
	"unicode/utf16"
	"unicode/utf8"

	"github.com/riposte-sec/riposte/pipeline"
)

// unescape returns the text of a string that was scanned, in the arena.
func unescape(arena *pipeline.Arena, p []byte) []byte {
	out := arena.Bytes(len(p))[:0] // an escape is never shorter than what it stands for
	for i := 0; i < len(p); {
		if p[i] != '\\' {
			out = append(out, p[i])
			i++
			continue
		}
		switch c := p[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			u, _ := hex4(p, i+2)
			r := rune(u)
			if low, ok := escaped16(p, i+6); ok {
				if pair := utf16.DecodeRune(r, rune(low)); pair != utf8.RuneError {
					r = pair
					i += 6
				}
			}
			out = utf8.AppendRune(out, r) // a lone surrogate becomes U+FFFD
			i += 4
		default:
			out = append(out, c)
		}
		i += 2
	}
	return out
}
