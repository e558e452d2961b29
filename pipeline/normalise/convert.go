package normalise

import (
	"strconv"
	"unsafe"

	"github.com/riposte-sec/riposte/pipeline"
)

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

// value makes a value of the field's kind of text. A text that cannot be one gives none:
// the vendor's field stays readable under unmapped.
func (c *canon) value(field pipeline.Field, text string) (pipeline.Value, bool) {
	switch kind := field.Kind(); kind {
	case pipeline.KindInt:
		v, ok := integer(text)
		return pipeline.Value{Kind: kind, Int: v}, ok
	case pipeline.KindBool:
		v, ok := truth(text)
		return pipeline.Value{Kind: kind, Int: v}, ok
	case pipeline.KindList:
		list := pipeline.AppendJSONString(append(c.buf[:0], '['), text)
		c.buf = append(list, ']')
		return pipeline.Value{Kind: kind, Str: pipeline.View(c.arena.Copy(c.buf))}, true
	case pipeline.KindString:
		text, ok := c.field(field, text)
		return pipeline.Value{Kind: kind, Str: text}, ok && text != ""
	case pipeline.KindNone, pipeline.KindFloat:
	}
	return pipeline.Value{}, false
}

// integer reads a decimal number, one in hexadecimal behind 0x, or one with a fraction or
// an exponent, of which the fraction is cut off.
func integer(s string) (int64, bool) {
	digits, negative := s, false
	if len(digits) > 1 && digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	if len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x' {
		return hexadecimal(digits[2:])
	}
	if len(digits) > 0 && len(digits) <= 18 {
		if v, ok := number(digits); ok {
			if negative {
				v = -v
			}
			return v, true
		}
	}
	whole, _, ok := decimal(digits)
	if negative {
		whole = -whole
	}
	return whole, ok
}

func hexadecimal(s string) (int64, bool) {
	if len(s) > 15 {
		return 0, false
	}
	var v int64
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | int64(c)
	}
	return v, true
}

func truth(s string) (int64, bool) {
	switch s {
	case "true", "True", "TRUE", "Yes", "yes", "1":
		return 1, true
	case "false", "False", "FALSE", "No", "no", "0":
		return 0, true
	}
	return 0, false
}

// list makes a list value of the bytes of a JSON list. A list of strings is taken as it
// is; numbers and truth values become strings, and what is nested is left out.
func (c *canon) list(p []byte) (pipeline.Value, bool) {
	v := pipeline.Value{Kind: pipeline.KindList}
	out, pure := append(c.buf[:0], '['), true
	for element := range elements(p) {
		switch element[0] {
		case '{', '[', 'n':
			pure = false
			continue
		case '"':
			out = append(out, element...)
		default:
			pure = false
			out = append(append(append(out, '"'), element...), '"')
		}
		out = append(out, ',')
	}
	c.buf = out
	if len(out) == 1 {
		return v, false
	}
	if pure {
		v.Str = pipeline.View(p)
		return v, true
	}
	out[len(out)-1] = ']'
	v.Str = pipeline.View(c.arena.Copy(out))
	return v, true
}

// elements walks the elements of a list that was scanned.
func elements(p []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		i := space(p, 1)
		for i < len(p) && p[i] != ']' {
			end := elementEnd(p, i)
			if !yield(p[i:end]) {
				return
			}
			if i = space(p, end); i < len(p) && p[i] == ',' {
				i = space(p, i+1)
			}
		}
	}
}

// elementEnd returns where the value at i of JSON that was scanned ends.
func elementEnd(p []byte, i int) int {
	depth := 0
	for ; i < len(p); i++ {
		switch p[i] {
		case '"':
			for i++; p[i] != '"'; i++ {
				if p[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// bytesOf returns s as bytes, which must not be written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
