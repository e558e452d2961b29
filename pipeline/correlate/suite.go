package correlate

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Result is what became of one scenario.
type Result struct {
	File string
	Name string
	Err  error // nil: passed
}

// Test runs the scenarios of every *_test.yml file of fsys against cfg.
func Test(ctx context.Context, fsys fs.FS, cfg Config) ([]Result, error) {
	var out []Result
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.yml") {
			return err
		}
		src, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		list, err := ParseScenarios(src)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for i := range list {
			out = append(out, Result{File: path, Name: list[i].Name, Err: list[i].Run(ctx, cfg)})
		}
		return nil
	})
	return out, err
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes results in the form that build servers read.
func WriteJUnit(w io.Writer, results []Result) error {
	s := junitSuite{Name: "correlations", Tests: len(results)}
	for _, r := range results {
		c := junitCase{Class: strings.TrimSuffix(r.File, "_test.yml"), Name: r.Name}
		if r.Err != nil {
			s.Failures++
			c.Failure = &junitFailure{Message: "episodes differ", Text: r.Err.Error()}
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
