package policies

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

func TestEachShippedFolderIsEmbedded(t *testing.T) {
	t.Parallel()
	f := func(fsys fs.FS, pattern string) {
		t.Helper()
		files, err := fs.Glob(fsys, pattern)
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %d files, %v", pattern, len(files), err)
		}
	}
	f(Detections(), "*.rego")
	f(Detections(), "data/*.json")
	f(Correlations(), "*.yml")
	f(Decide(), "*.rego")
	f(Decide(), "data.json")
	f(Guard(), "*.rego")
}

func TestDataFilesMergeAndMustNotOverlap(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"data/a.json": {Data: []byte(`{"l":{"x":1}}`)}, "data/b.json": {Data: []byte(`{"l":{"y":2}}`)}}
	d, err := Data(files)
	if l, ok := d["l"].(map[string]any); err != nil || !ok || l["x"] != 1.0 || l["y"] != 2.0 {
		t.Fatalf("%v, %v", d, err)
	}
	files["data/b.json"] = &fstest.MapFile{Data: []byte(`{"l":{"x":2}}`)}
	if _, err := Data(files); err == nil {
		t.Error("two files with the same member were merged")
	}
	if d, err := Data(Detections()); err != nil || len(d) == 0 {
		t.Errorf("shipped data: %v, %v", d, err)
	}
}
