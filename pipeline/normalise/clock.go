package normalise

import (
	"strconv"

	"github.com/riposte-sec/riposte/pipeline"
)

// timeFormat is how a vendor writes a point in time.
type timeFormat uint8

const (
	timeISO     timeFormat = iota + 1 // RFC 3339 and its relatives, see parseISO
	timeSeconds                       // seconds since 1970, with a fraction or not
	timeMillis                        // milliseconds since 1970
	timeMicros                        // microseconds since 1970
)

var timeFormats = map[string]timeFormat{
	"iso": timeISO, "epoch_s": timeSeconds, "epoch_ms": timeMillis, "epoch_us": timeMicros,
}

// parseTime reads text, cutting off what is finer than a millisecond. 1970-01-01 itself is
// no time: vendors write it where they know none.
func parseTime(text string, format timeFormat) (pipeline.Millis, bool) {
	if format == timeISO {
		return parseISO(text)
	}
	whole, frac, ok := decimal(text)
	if !ok {
		return 0, false
	}
	ms := whole
	switch format {
	case timeSeconds:
		if whole > maxSeconds {
			return 0, false
		}
		ms = whole*1000 + frac
	case timeMicros:
		ms = whole / 1000
	case timeISO, timeMillis:
	}
	return pipeline.Millis(ms), ms > 0
}

// maxSeconds is the year 9999: beyond it a time is nonsense.
const maxSeconds = 253402300799

// decimal reads a number without sign: its whole part and its first three decimals.
func decimal(text string) (whole, thousandths int64, ok bool) {
	i := 0
	for ; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		if i > 17 {
			return 0, 0, false
		}
		whole = whole*10 + int64(text[i]-'0')
	}
	switch {
	case i == 0:
		return 0, 0, false
	case i == len(text):
		return whole, 0, true
	case text[i] != '.':
		return exponential(text)
	}
	for k, scale := i+1, int64(100); k < len(text); k, scale = k+1, scale/10 {
		c := text[k]
		if c|0x20 == 'e' {
			return exponential(text)
		}
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		thousandths += int64(c-'0') * scale
	}
	return whole, thousandths, true
}

// exponential reads a number with an exponent, such as 1.588316619e9.
func exponential(text string) (whole, thousandths int64, ok bool) {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && c != '.' && c != '+' && c != '-' && c|0x20 != 'e' {
			return 0, 0, false
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 || v > 1e17 {
		return 0, 0, false
	}
	whole = int64(v)
	return whole, int64((v - float64(whole)) * 1000), true
}

// parseISO reads yyyy-mm-dd, T or a space, hh:mm:ss, an optional fraction after . or , and
// an optional zone: Z, UTC, +hh:mm, +hhmm or +hh. Without a zone it is UTC.
func parseISO(s string) (pipeline.Millis, bool) {
	seconds, ok := civil(s)
	if !ok {
		return 0, false
	}
	s = s[len("2006-01-02T15:04:05"):]
	var ms int64
	if len(s) > 0 && (s[0] == '.' || s[0] == ',') {
		i := 1
		for scale := int64(100); i < len(s) && s[i] >= '0' && s[i] <= '9'; i, scale = i+1, scale/10 {
			ms += int64(s[i]-'0') * scale
		}
		if i == 1 {
			return 0, false
		}
		s = s[i:]
	}
	offset, ok := zone(s)
	ms += (seconds - offset) * 1000
	return pipeline.Millis(ms), ok && ms != 0
}

// civilFields are the numbers of yyyy-mm-dd hh:mm:ss: where they stand and what they may be.
var civilFields = [6]struct{ from, to, low, high int64 }{
	{0, 4, 0, 9999}, {5, 7, 1, 12}, {8, 10, 1, 31}, {11, 13, 0, 23}, {14, 16, 0, 59}, {17, 19, 0, 60},
}

// civil reads yyyy-mm-dd, T or a space, hh:mm:ss at the start of s as seconds since 1970.
func civil(s string) (int64, bool) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[13] != ':' || s[16] != ':' || (s[10]|0x20 != 't' && s[10] != ' ') {
		return 0, false
	}
	var v [6]int64
	for i := range civilFields {
		f := &civilFields[i]
		n, ok := number(s[f.from:f.to])
		if !ok || n < f.low || n > f.high {
			return 0, false
		}
		v[i] = n
	}
	if v[2] > daysIn(v[0], v[1]) {
		return 0, false
	}
	return daysSince1970(v[0], v[1], v[2])*86400 + v[3]*3600 + v[4]*60 + v[5], true
}

// zone reads a zone and returns its seconds east of UTC.
func zone(s string) (int64, bool) {
	if len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	switch s {
	case "", "Z", "z", "UTC":
		return 0, true
	}
	hours, minutes := s[1:], "00"
	switch {
	case len(hours) == 5 && hours[2] == ':':
		hours, minutes = hours[:2], hours[3:]
	case len(hours) == 4:
		hours, minutes = hours[:2], hours[2:]
	case len(hours) != 2:
		return 0, false
	}
	h, ok1 := number(hours)
	m, ok2 := number(minutes)
	offset := h*3600 + m*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, ok1 && ok2 && h < 24 && m < 60 && (s[0] == '+' || s[0] == '-')
}

// number reads digits alone.
func number(s string) (int64, bool) {
	var v int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		v = v*10 + int64(s[i]-'0')
	}
	return v, true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSince1970 counts in years that begin in March, so that the leap day is their last
// (H. Hinnant, "chrono-compatible low-level date algorithms").
func daysSince1970(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	ofEra := year - era*400
	ofYear := (153*(month-3)+2)/5 + day - 1
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468
}
