package match

import (
	"testing"
	"testing/fstest"
)

func TestDigestIsOfWhatADetectionMatches(t *testing.T) {
	t.Parallel()
	const head = "# METADATA\n# title: T\n# description: d\n# custom:\n#   id: a\n#   severity: low\n#   attack: [TA0006]\n#   owner: me\n"
	const body = "package riposte.detect.a\n\nmatch if input.class_uid == 3002\n"
	digest := func(src string) string {
		t.Helper()
		s, err := Load(fstest.MapFS{"a.rego": {Data: []byte(src)}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Digests()["a"]
	}
	was := digest(head + body)
	f := func(name, src string, same bool) {
		t.Helper()
		if got := digest(src); (got == was) != same {
			t.Errorf("%s: the digest is the same: %v, want %v", name, got == was, same)
		}
	}
	f("comment and layout", head+"package riposte.detect.a\n\n# why\nmatch if { input.class_uid == 3002 }\n", true)
	f("title", "# METADATA\n# title: U\n"+head[len("# METADATA\n# title: T\n"):]+body, true)
	f("predicate", head+"package riposte.detect.a\n\nmatch if input.class_uid == 3003\n", false)
	f("classes", head+"#   classes: [3002]\n"+body, false)
}
