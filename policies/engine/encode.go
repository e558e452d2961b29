package engine

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// FromAST makes a Value of a ground value, for a Source. It allocates. Several
// goroutines may read the result at a time. An error matches ErrInput.
func FromAST(v ast.Value) (Value, error) {
	a := &arena{}
	out, err := a.fromAST(v)
	if err != nil {
		return Value{}, err
	}
	seal(&out)
	return out, nil
}

// Array makes a Value of elems, which it keeps, for a Source. It is for one goroutine.
func Array(elems ...Value) Value { return ofArray(&arrayVal{elems: elems}) }

// Len returns the number of elements or members; 0 if v is no collection.
func (v Value) Len() int {
	n, _ := v.length()
	return n
}

// Get returns the member of an object under key, undefined if there is none.
func (v Value) Get(key string) Value {
	k := String(key)
	if v.k != KindObject {
		return Value{}
	}
	return v.object().get(&k)
}

// Index returns element i of an array, undefined if there is none.
func (v Value) Index(i int) Value {
	if v.k != KindArray || i < 0 || i >= len(v.array().elems) {
		return Value{}
	}
	return v.array().elems[i]
}

// Each calls fn for the members of a collection, in Rego's order, until it
// returns false. The key of an array's element is its position, the key of a
// set's element is the element.
func (v Value) Each(fn func(key, val Value) bool) {
	var it iterator
	it.over(&v)
	var key, val Value
	for it.next(&key, &val) {
		if !fn(key, val) {
			return
		}
	}
}

// AppendJSON appends v as JSON, as encoding/json writes the value that OPA
// returns for it: sets are arrays, members come in Rego's order. An undefined
// value appends nothing.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.k {
	case KindNull:
		return append(dst, "null"...)
	case KindBool:
		if v.n != 0 {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case KindNumber, kindText:
		return append(dst, v.numberText()...)
	case KindString:
		return appendString(dst, v.text())
	case KindArray:
		return appendList(dst, v.array().elems)
	case KindSet:
		s := v.set()
		s.sort()
		return appendList(dst, s.elems)
	case KindObject:
		return v.object().appendJSON(dst)
	default:
	}
	return dst
}

func appendList(dst []byte, elems []Value) []byte {
	dst = append(dst, '[')
	for i := range elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = elems[i].AppendJSON(dst)
	}
	return append(dst, ']')
}

func (o *objectVal) appendJSON(dst []byte) []byte {
	o.sort()
	for i := range o.elems {
		if o.elems[i].k != KindString {
			return append(dst, foreignJSON(ofObject(o))...)
		}
	}
	dst = append(dst, '{')
	for i := range o.elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, o.elems[i].text()), ':')
		dst = o.vals[i].AppendJSON(dst)
	}
	return append(dst, '}')
}

// foreignJSON writes an object whose keys are not all strings, as OPA does.
func foreignJSON(v Value) []byte {
	doc, err := ast.JSON(v.AST())
	if err != nil {
		panic("BUG: ground value without JSON form: " + err.Error())
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return text
}

const hexDigits = "0123456789abcdef"

// appendString appends s quoted as encoding/json does, HTML characters escaped.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if (r == utf8.RuneError && n == 1) || r == '\u2028' || r == '\u2029' {
				dst = append(dst, s[from:i]...)
				dst = appendEscape(dst, r)
				from = i + n
			}
			i += n
			continue
		}
		if c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			dst = append(dst, s[from:i]...)
			dst = appendEscape(dst, rune(c))
			from = i + 1
		}
		i++
	}
	return append(append(dst, s[from:]...), '"')
}

func appendEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
