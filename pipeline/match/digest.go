package match

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
)

// Digests returns, by the id of each detection, a digest of what it matches: of its rules
// and those of the modules that are no detections, and of the sources and classes that it is
// evaluated for. Comments, titles and severities make no difference, nor does data.
func (s *Set) Digests() map[string]string {
	own := make(map[string]bool, len(s.Detections))
	for i := range s.Detections {
		own[s.Detections[i].File] = true
	}
	shared := ""
	for _, path := range slices.Sorted(maps.Keys(s.modules)) {
		if !own[path] {
			shared += s.rules(path)
		}
	}
	digests := make(map[string]string, len(s.Detections))
	for i := range s.Detections {
		d := &s.Detections[i]
		h := fnv.New64a()
		if _, err := fmt.Fprintf(h, "%q|%q|%v|%q", s.rules(d.File), d.Sources, d.Classes, shared); err != nil {
			panic("BUG: match: a hash does not write: " + err.Error())
		}
		digests[d.ID] = strconv.FormatUint(h.Sum64(), 36)
	}
	return digests
}

// rules is the text of a module without what is only for people.
func (s *Set) rules(path string) string {
	m := s.modules[path]
	text := m.Package.String() + "\n"
	for _, i := range m.Imports {
		text += i.String() + "\n"
	}
	for _, r := range m.Rules {
		text += r.String() + "\n"
	}
	return text
}
