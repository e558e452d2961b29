package match

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Digests returns, by the id of each detection, a digest of what it matches: of its rules
// and those of the modules that are no detections, and of the sources and classes that it is
// evaluated for. Comments, titles and severities make no difference, nor does data.
func (s *Set) Digests() map[string]string {
	files := make(map[string]bool, len(s.Detections))
	for i := range s.Detections {
		files[s.Detections[i].File] = true
	}
	var shared strings.Builder
	for _, path := range slices.Sorted(maps.Keys(s.modules)) {
		if !files[path] {
			s.rules(&shared, path)
		}
	}
	digests := make(map[string]string, len(s.Detections))
	for i := range s.Detections {
		d := &s.Detections[i]
		var own strings.Builder
		s.rules(&own, d.File)
		h := fnv.New64a()
		if _, err := fmt.Fprintf(h, "%q|%q|%v|%q", own.String(), d.Sources, d.Classes, shared.String()); err != nil {
			panic("BUG: match: a hash does not write: " + err.Error())
		}
		digests[d.ID] = strconv.FormatUint(h.Sum64(), 36)
	}
	return digests
}

// rules appends the text of a module without what is only for people.
func (s *Set) rules(text *strings.Builder, path string) {
	m := s.modules[path]
	text.WriteString(m.Package.String())
	for _, i := range m.Imports {
		text.WriteString("\n" + i.String())
	}
	for _, r := range m.Rules {
		text.WriteString("\n" + r.String())
	}
}
