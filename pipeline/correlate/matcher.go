package correlate

import (
	"slices"
	"strings"

	"github.com/riposte-sec/riposte/pipeline"
)

// Matcher tells which alerts are meant: all that is set must hold. In Rule, Tenant, Entity
// and Group a "*" stands for any text.
type Matcher struct {
	Rule     string // id
	Tenant   string
	Severity uint8  // at most this severity_id; 0: any
	Entity   string // "<kind>:<value>" among the alert's entities
	Group    string // one of the values of the group
}

func (m *Matcher) empty() bool { return *m == Matcher{} }

// Matches reports whether a is meant.
func (m *Matcher) Matches(a *pipeline.Alert) bool {
	switch {
	case m.Rule != "" && !glob(m.Rule, a.Rule), m.Tenant != "" && !glob(m.Tenant, a.Tenant),
		m.Severity != 0 && a.Severity > m.Severity:
		return false
	case m.Group != "" && !slices.ContainsFunc(a.Group, func(v string) bool { return glob(m.Group, v) }):
		return false
	case m.Entity == "":
		return true
	}
	return slices.ContainsFunc(a.Entities, func(e pipeline.EntityValue) bool { return glob(m.Entity, e.Kind+":"+e.Value) })
}

// glob reports whether text is pattern, in which "*" stands for any text. It takes time
// linear in the length of the text for each star.
func glob(pattern, text string) bool {
	first, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(text, rest)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
}
