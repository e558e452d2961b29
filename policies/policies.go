// Package policies holds what is shipped: detections and their data, correlations,
// playbooks and the guard, as files.
package policies

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
)

// FS holds the folders detections, correlations, decide and guard, tests included, and
// noise.yml.
//
//go:embed noise.yml detections correlations decide/*.rego decide/*.json guard/*.rego guard/*.json
var FS embed.FS

// Detections are the files of the shipped detections, with their data in the folder data.
func Detections() fs.FS { return sub("detections") }

// Correlations are the shipped correlation documents and their tests.
func Correlations() fs.FS { return sub("correlations") }

// Decide are the shipped playbooks, with data.json.
func Decide() fs.FS { return sub("decide") }

// Guard is the shipped guard, with data.json.
func Guard() fs.FS { return sub("guard") }

func sub(dir string) fs.FS {
	s, err := fs.Sub(FS, dir)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return s
}

// Data merges the JSON objects data/*.json of fsys into one, the data.* of its rules.
// Objects of the same name are merged; anything else must not be in two files.
func Data(fsys fs.FS) (map[string]any, error) {
	files, err := fs.Glob(fsys, "data/*.json")
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, f := range files {
		src, err := fs.ReadFile(fsys, f)
		if err != nil {
			return nil, err
		}
		var doc map[string]any
		if err := json.Unmarshal(src, &doc); err != nil {
			return nil, fmt.Errorf("%s: %w", path.Base(f), err)
		}
		if err := merge(out, doc, "data"); err != nil {
			return nil, fmt.Errorf("%s: %w", path.Base(f), err)
		}
	}
	return out, nil
}

func merge(dst, src map[string]any, at string) error {
	for k, v := range src {
		old, twice := dst[k]
		if !twice {
			dst[k] = v
			continue
		}
		a, ok := old.(map[string]any)
		b, also := v.(map[string]any)
		if !ok || !also {
			return fmt.Errorf("%s.%s is in another file too", at, k)
		}
		if err := merge(a, b, at+"."+k); err != nil {
			return err
		}
	}
	return nil
}
