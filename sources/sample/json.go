package sample

import (
	"strconv"
	"time"
)

// object writes JSON members into a buffer. Whether a comma is due is told by the byte
// before, so that a half-written object needs no state beside its bytes.
type object struct{ b []byte }

func (o *object) reset() { o.b = append(o.b[:0], '{') }

func (o *object) comma() {
	if c := o.b[len(o.b)-1]; c != '{' && c != '[' {
		o.b = append(o.b, ',')
	}
}

// key writes a member's name. Names are ours and need no escaping.
func (o *object) key(name string) {
	o.comma()
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

// str writes a string value made of parts, one after the other.
func (o *object) str(name string, parts ...string) {
	o.key(name)
	o.b = append(o.b, '"')
	for _, p := range parts {
		o.b = appendEscaped(o.b, p)
	}
	o.b = append(o.b, '"')
}

func (o *object) num(name string, v int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, v, 10)
}

// numStr writes a number as a string, as Windows and some others do.
func (o *object) numStr(name string, v int64) {
	o.key(name)
	o.b = append(o.b, '"')
	o.b = strconv.AppendInt(o.b, v, 10)
	o.b = append(o.b, '"')
}

func (o *object) bool(name string, v bool) {
	o.key(name)
	o.b = strconv.AppendBool(o.b, v)
}

// raw writes v, which is JSON.
func (o *object) raw(name, v string) {
	o.key(name)
	o.b = append(o.b, v...)
}

// seconds writes d as a number of seconds with six decimals.
func (o *object) seconds(name string, d time.Duration) {
	o.key(name)
	o.b = appendMicros(o.b, d.Microseconds())
}

// epoch writes t as seconds since 1970 with six decimals.
func (o *object) epoch(name string, t time.Time) {
	o.key(name)
	o.b = appendMicros(o.b, t.UnixMicro())
}

// time writes t, which is UTC, as date, sep, time of day, digits of the second's fraction and
// zone.
func (o *object) time(name string, t time.Time, f timeForm) {
	o.key(name)
	o.b = append(f.append(append(o.b, '"'), t), '"')
}

// id writes a value of n characters of set, drawn from r.
func (o *object) id(name, prefix string, r *source, set string, n int) {
	o.key(name)
	o.b = append(o.b, '"')
	o.b = append(o.b, prefix...)
	o.b = r.appendID(o.b, set, n)
	o.b = append(o.b, '"')
}

func (o *object) uuid(name string, r *source) {
	o.key(name)
	o.b = append(o.b, '"')
	o.b = r.appendUUID(o.b)
	o.b = append(o.b, '"')
}

func (o *object) begin(name string) {
	o.key(name)
	o.b = append(o.b, '{')
}

func (o *object) end() { o.b = append(o.b, '}') }

func appendMicros(dst []byte, us int64) []byte {
	dst = strconv.AppendInt(dst, us/1e6, 10)
	dst = append(dst, '.')
	frac := us % 1e6
	for div := int64(1e5); div > 0; div /= 10 {
		dst = append(dst, digits[frac/div%10])
	}
	return dst
}

// appendEscaped appends s, which is ASCII, as it stands inside a JSON string.
func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(append(dst, s[from:i]...), '\\', c)
			from = i + 1
		case c < ' ':
			dst = append(append(dst, s[from:i]...), '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			from = i + 1
		}
	}
	return append(dst, s[from:]...)
}

// timeForm is how a vendor writes a time.
type timeForm struct {
	sep    byte // between date and time of day
	digits int  // of the fraction of a second
	zone   string
}

// The forms of time of the vendors.
var (
	isoSeconds   = timeForm{'T', 0, "Z"}
	isoMillis    = timeForm{'T', 3, "Z"}
	isoMicros    = timeForm{'T', 6, "Z"}
	suricataTime = timeForm{'T', 6, "+0000"}
	winTime      = timeForm{' ', 0, ""}
	winUTC       = timeForm{' ', 3, ""}
)

// append appends t, which is UTC. It is written out because [time.Time.AppendFormat] took a
// fifth of the generator's time.
func (f timeForm) append(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = strconv.AppendInt(dst, int64(year), 10)
	dst = appendTwo(append(dst, '-'), int(month))
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, f.sep), hour)
	dst = appendTwo(append(dst, ':'), minute)
	dst = appendTwo(append(dst, ':'), second)
	if f.digits > 0 {
		dst = append(dst, '.')
		for i, div := 0, 100_000_000; i < f.digits; i, div = i+1, div/10 {
			dst = append(dst, digits[t.Nanosecond()/div%10])
		}
	}
	return append(dst, f.zone...)
}

// appendTwo appends n, which is in [0, 99], as two digits.
func appendTwo(dst []byte, n int) []byte { return append(dst, digits[n/10%10], digits[n%10]) }
