package normalise

import (
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// function makes a text of a vendor's text.
type function uint8

const (
	fnNone     function = iota
	fnBasename          // last element of a Windows or POSIX path
	fnAccount           // name of DOMAIN\name or name@realm
	fnRealm             // DOMAIN or realm of the same, nothing where there is none
	fnDigest            // arg=hex in a list such as SHA1=..,MD5=..
	fnSeconds           // seconds with a fraction -> whole milliseconds
	fnBefore            // up to the first arg, nothing where there is none
	fnAfter             // behind the first arg, nothing where there is none
	fnUpTo              // up to the first arg, or all of it
	fnBehind            // behind the last arg, or all of it
	fnHost              // host of an URL or of host:port
)

// functions are the names under which a mapping calls them.
var functions = map[string]function{
	"basename": fnBasename, "account": fnAccount, "realm": fnRealm, "digest": fnDigest, "seconds": fnSeconds,
	"before": fnBefore, "after": fnAfter, "up_to": fnUpTo, "behind": fnBehind, "host": fnHost,
}

// apply returns what fn makes of text, "" for no value. The result is a view into text, or
// into the arena.
func (fn function) apply(text, arg string, arena *pipeline.Arena) string {
	switch fn {
	case fnNone:
		return text
	case fnBasename:
		return text[strings.LastIndexAny(text, `\/`)+1:]
	case fnAccount:
		return account(text)
	case fnRealm:
		return realm(text)
	case fnDigest:
		return digest(text, arg)
	case fnSeconds:
		return milliseconds(text, arena)
	case fnBefore, fnUpTo:
		before, _, found := strings.Cut(text, arg)
		if !found && fn == fnBefore {
			return ""
		}
		return before
	case fnAfter:
		_, after, _ := strings.Cut(text, arg)
		return after
	case fnBehind:
		if i := strings.LastIndex(text, arg); i >= 0 {
			return text[i+len(arg):]
		}
		return text
	case fnHost:
		return host(text)
	}
	panic("BUG: unknown function")
}

func account(s string) string {
	s = s[strings.LastIndexByte(s, '\\')+1:]
	if i := strings.IndexByte(s, '@'); i > 0 {
		return s[:i]
	}
	return s
}

func realm(s string) string {
	if i := strings.LastIndexByte(s, '\\'); i >= 0 {
		return s[:i]
	}
	if i := strings.IndexByte(s, '@'); i > 0 {
		return s[i+1:]
	}
	return ""
}

func digest(s, name string) string {
	for len(s) > 0 {
		var pair string
		pair, s, _ = strings.Cut(s, ",")
		if len(pair) > len(name) && pair[len(name)] == '=' && strings.EqualFold(pair[:len(name)], name) {
			return pair[len(name)+1:]
		}
	}
	return ""
}

func milliseconds(s string, arena *pipeline.Arena) string {
	whole, thousandths, ok := decimal(s)
	if !ok || whole > maxSeconds {
		return ""
	}
	var buf [24]byte
	return pipeline.View(arena.Copy(appendInt(buf[:0], whole*1000+thousandths)))
}

func host(s string) string {
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	s = s[strings.LastIndexByte(s, '@')+1:]
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		return s[1:max(end, 1)]
	}
	if i := strings.IndexByte(s, ':'); i >= 0 && i == strings.LastIndexByte(s, ':') {
		return s[:i]
	}
	return s
}
