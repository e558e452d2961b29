package match

import (
	"strings"
	"testing"
	"testing/fstest"
)

// FuzzDetection loads any file as a detection: what is taken has all that a signal needs.
func FuzzDetection(f *testing.F) {
	f.Add(failedLogon)
	f.Add(clearedLog)
	f.Add("# METADATA\n# scope: package\n# custom: &a [*a]\npackage riposte.detect.x\nmatch if true\n")
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 16<<10 {
			t.Skip()
		}
		s, err := Load(fstest.MapFS{"x.rego": {Data: []byte(src)}}, Options{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "detections: ") {
				t.Errorf("error %v", err)
			}
			return
		}
		for _, d := range s.Detections {
			if !idPattern.MatchString(d.ID) || d.Title == "" || d.Name == "" || d.Severity < 1 || d.Severity > 5 {
				t.Errorf("%q is taken as %+v", src, d)
			}
		}
	})
}
