package normalise

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/net/idna"

	"github.com/riposte-sec/riposte/pipeline"
)

// canonCacheSize is how many texts a stage remembers the canonical form of. Only texts that
// are costly go there: names with characters beyond ASCII. 4,096 of some 60 bytes are about
// 1 MB; a mail system with 500 foreign partners has a few hundred.
const canonCacheSize = 4096

// maxEntity is the longest value of an entity, in bytes. Longer ones are no names.
const maxEntity = 2048

// CacheStats counts look-ups of canonical forms beyond ASCII.
type CacheStats struct{ Hits, Misses atomic.Uint64 }

// canon brings values into canonical form.
type canon struct {
	arena *pipeline.Arena
	cache *simplelru.LRU[string, string] // text -> form, "" = it has none
	stats *CacheStats
	buf   []byte
}

func newCanon(stats *CacheStats) canon {
	cache, err := simplelru.NewLRU[string, string](canonCacheSize, nil)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return canon{cache: cache, stats: stats}
}

// fieldForms are the fields whose text is brought into the form of an entity.
var fieldForms = [pipeline.FieldCount]pipeline.EntityKind{
	pipeline.FieldDeviceHostname:            pipeline.EntityHost,
	pipeline.FieldDeviceIP:                  pipeline.EntityIP,
	pipeline.FieldSrcEndpointIP:             pipeline.EntityIP,
	pipeline.FieldDstEndpointIP:             pipeline.EntityIP,
	pipeline.FieldEmailXOriginatingIP:       pipeline.EntityIP,
	pipeline.FieldFileHashesMD5:             pipeline.EntityHash,
	pipeline.FieldFileHashesSHA1:            pipeline.EntityHash,
	pipeline.FieldFileHashesSHA256:          pipeline.EntityHash,
	pipeline.FieldModuleFileHashesSHA256:    pipeline.EntityHash,
	pipeline.FieldProcessFileHashesMD5:      pipeline.EntityHash,
	pipeline.FieldProcessFileHashesSHA256:   pipeline.EntityHash,
	pipeline.FieldTLSCertificateFingerprint: pipeline.EntityHost, // lower case
	pipeline.FieldQueryHostname:             pipeline.EntityHost,
	pipeline.FieldTLSSNI:                    pipeline.EntityHost,
	pipeline.FieldHTTPRequestURLHostname:    pipeline.EntityHost,
	pipeline.FieldSrcEndpointHostname:       pipeline.EntityHost,
	pipeline.FieldDstEndpointHostname:       pipeline.EntityHost,
	pipeline.FieldSrcEndpointDomain:         pipeline.EntityHost,
	pipeline.FieldDstEndpointDomain:         pipeline.EntityHost,
	pipeline.FieldActorUserEmailAddr:        pipeline.EntityHost,
	pipeline.FieldUserEmailAddr:             pipeline.EntityHost,
}

// field returns the text of an attribute. Addresses and hashes must be what they claim to
// be; names of hosts are only made lower case and lose a final dot, so that a rule can
// still see a name that is none.
func (c *canon) field(f pipeline.Field, text string) (string, bool) {
	switch fieldForms[f] {
	case pipeline.EntityIP:
		return c.ip(text)
	case pipeline.EntityHash:
		return c.hash(text)
	case pipeline.EntityHost:
		return c.lower(strings.TrimSuffix(text, ".")), true
	default:
		return text, true
	}
}

// entity returns the canonical form of text, and whether it has one.
func (c *canon) entity(kind pipeline.EntityKind, text string) (string, bool) {
	if text == "" || len(text) > maxEntity || suspicious(text) {
		return "", false
	}
	switch kind {
	case pipeline.EntityIP:
		return c.ip(text)
	case pipeline.EntityHash:
		return c.hash(text)
	case pipeline.EntityHost:
		return c.hostName(text)
	case pipeline.EntityDomain:
		return c.domain(text)
	case pipeline.EntityUser:
		return c.user(text)
	case pipeline.EntityMail:
		return c.mail(text)
	case pipeline.EntityURL:
		return text, strings.Contains(text, "://")
	case pipeline.EntityKey, pipeline.EntityAccount:
		return text, isWord(text)
	case pipeline.EntityNone:
	}
	return "", false
}

// suspicious reports whether text has characters that make it look like another: control
// characters, zero-width ones, those that change the direction of writing.
func suspicious(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == 0x7f {
			return true
		} else if c >= utf8.RuneSelf {
			return strings.ContainsFunc(text[i:], func(r rune) bool {
				return r == utf8.RuneError || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Cc, r)
			})
		}
	}
	return false
}

// ip returns the text form of an address. Zones, leading zeros and the addresses that mean
// "any" are refused, IPv4 inside IPv6 becomes IPv4.
func (c *canon) ip(text string) (string, bool) {
	if len(text) > 45 || strings.IndexByte(text, '%') >= 0 || !looksLikeIP(text) {
		return "", false
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.IsUnspecified() {
		return "", false
	}
	if addr.Is4() {
		return text, true // what netip accepts is the only form of it
	}
	var buf [64]byte
	form := addr.Unmap().AppendTo(buf[:0])
	if string(form) == text {
		return text, true
	}
	return pipeline.View(c.arena.Copy(form)), true
}

// looksLikeIP keeps texts away from netip that it would build an error for.
func looksLikeIP(s string) bool {
	dots, colons := 0, 0
	for i := range len(s) {
		switch b := s[i]; {
		case b == '.':
			dots++
		case b == ':':
			colons++
		case (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'f'):
			return false
		}
	}
	return dots == 3 || colons >= 2
}

func (c *canon) hash(text string) (string, bool) {
	switch len(text) {
	case 32, 40, 56, 64, 96, 128: // MD5, SHA-1, SHA-224 to SHA-512
	default:
		return "", false
	}
	for i := range len(text) {
		if b := text[i]; (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'f') {
			return "", false
		}
	}
	return c.lower(text), true
}

func (c *canon) hostName(text string) (string, bool) {
	text = c.lower(strings.TrimSuffix(text, "."))
	if !isName(text) {
		return "", false
	}
	_, isIP := c.ip(text)
	return text, !isIP
}

// domain returns the lower-case A-label form (IDNA 2008).
func (c *canon) domain(text string) (string, bool) {
	if isASCII(text) {
		return c.hostName(text)
	}
	form := c.cached('d', text, func(text string) string {
		form, err := idna.Lookup.ToASCII(strings.TrimSuffix(text, "."))
		if err != nil || !isName(form) {
			return ""
		}
		return form
	})
	return form, form != ""
}

func (c *canon) user(text string) (string, bool) {
	text = c.lower(strings.Trim(account(text), " "))
	return text, text != "" && len(text) <= 256
}

// mail returns the address of a mail address, which may stand behind a name in < >.
func (c *canon) mail(text string) (string, bool) {
	if i := strings.LastIndexByte(text, '<'); i >= 0 {
		end := strings.IndexByte(text[i:], '>')
		if end < 0 {
			return "", false
		}
		text = text[i+1 : i+end]
	}
	at := strings.IndexByte(text, '@')
	if at < 1 || at != strings.LastIndexByte(text, '@') || at+1 == len(text) || strings.ContainsAny(text, " ,;<>\"") {
		return "", false
	}
	return c.lower(text), true
}

// lower returns text in lower case.
func (c *canon) lower(text string) string {
	if !isASCII(text) {
		return c.cached('l', text, strings.ToLower)
	}
	for i := range len(text) {
		if text[i] >= 'A' && text[i] <= 'Z' {
			p := c.arena.Bytes(len(text))
			for j := range len(text) {
				if p[j] = text[j]; p[j] >= 'A' && p[j] <= 'Z' {
					p[j] |= 0x20
				}
			}
			return pipeline.View(p)
		}
	}
	return text
}

// maxCached is the longest text that is remembered, in bytes: the cache of a stage stays
// below 3 MB whatever the records hold.
const maxCached = 256

// cached returns form(text), remembered under a kind.
func (c *canon) cached(kind byte, text string, form func(string) string) string {
	if len(text) > maxCached {
		c.stats.Misses.Add(1)
		return form(strings.Clone(text))
	}
	c.buf = append(append(c.buf[:0], kind), text...)
	if got, ok := c.cache.Get(pipeline.View(c.buf)); ok {
		c.stats.Hits.Add(1)
		return got
	}
	c.stats.Misses.Add(1)
	got := form(strings.Clone(text))
	c.cache.Add(string(c.buf), got)
	return got
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isName reports whether s is labels of letters, digits, - and _ between dots, within the
// lengths of the DNS (RFC 1035, section 2.3.4).
func isName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	label := 0
	for i := range len(s) {
		switch b := s[i]; {
		case b == '.':
			if label == 0 {
				return false
			}
			label = 0
		case b >= 'a' && b <= 'z', b >= '0' && b <= '9', b == '-', b == '_':
			if label++; label > 63 {
				return false
			}
		default:
			return false
		}
	}
	return label > 0
}

// isWord reports whether s is 4 to 128 letters, digits, - or _.
func isWord(s string) bool {
	if len(s) < 4 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if b := s[i]; b != '_' && b != '-' && (b < '0' || b > '9') && (b|0x20 < 'a' || b|0x20 > 'z') {
			return false
		}
	}
	return true
}
