package pipeline

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	from := len(dst)
	dst = append(dst, '"')
	dst, ascii := appendEscaped(dst, s)
	if !ascii && !utf8.ValidString(s) {
		dst, _ = appendEscaped(append(dst[:from], '"'), strings.ToValidUTF8(s, "\uFFFD"))
	}
	return append(dst, '"')
}

// appendEscaped appends s with what JSON forbids escaped, and tells whether all was ASCII.
func appendEscaped(dst []byte, s string) ([]byte, bool) {
	p := unsafe.Slice(unsafe.StringData(s), len(s))
	var seen uint64
	from := 0
	for i := 0; i < len(p); {
		if len(p)-i >= 8 {
			w := binary.LittleEndian.Uint64(p[i:])
			if seen |= w; !mustEscape(w) {
				i += 8
				continue
			}
		}
		end := min(i+8, len(p))
		for ; i < end; i++ {
			c := p[i]
			seen |= uint64(c)
			if c >= ' ' && c != '"' && c != '\\' {
				continue
			}
			dst = appendEscape(append(dst, p[from:i]...), c)
			from = i + 1
		}
	}
	return append(dst, p[from:]...), seen&0x8080808080808080 == 0
}

// mustEscape reports whether one of the eight bytes of w may be a quote, a backslash or a
// control character. A borrow between bytes can make it say yes where the answer is no.
func mustEscape(w uint64) bool {
	const lo, hi = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^('"'*lo), w^('\\'*lo)
	return ((w-' '*lo)&^w|(quote-lo)&^quote|(slash-lo)&^slash)&hi != 0
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// appendStringMember appends ,"name":"value" where member is `,"name":`.
func appendStringMember(dst []byte, member, value string) []byte {
	return AppendJSONString(append(dst, member...), value)
}

// appendIntMember appends a number after member, which is `,"name":`.
func appendIntMember(dst []byte, member string, value int64) []byte {
	return strconv.AppendInt(append(dst, member...), value, 10)
}

// appendIDMember appends an ID after member, which is `,"name":`.
func appendIDMember(dst []byte, member string, id ID) []byte {
	dst = append(append(dst, member...), '"')
	dst, _ = id.AppendText(dst)
	return append(dst, '"')
}

// appendListMember appends a list of strings after member, which is `,"name":`.
func appendListMember(dst []byte, member string, list []string) []byte {
	dst = append(append(dst, member...), '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(dst, s)
	}
	return append(dst, ']')
}
