// The import law of ARCHITECTURE.md. Imports are parsed in this process: a test that asks
// `go list` gets answers from a cache.

package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/riposte-sec/riposte"

// stages may not know each other; they meet in values of package pipeline.
var stages = []string{"normalise", "dedupe", "match", "correlate", "decide", "respond", "record", "run"}

// owners of the dependencies that must stay in one place: import path prefix -> packages.
var owners = map[string][]string{
	"github.com/twmb/franz-go":            {"pipeline/run", "sources/kafka", "bench"},
	"github.com/ClickHouse/clickhouse-go": {"sinks/clickhouse"},
	"github.com/ClickHouse/ch-go":         {"sinks/clickhouse"},
	"github.com/open-policy-agent/opa":    {"policies/engine", "pipeline/match", "pipeline/decide", "cmd", "bench/policy"},
	"github.com/spf13/cobra":              {"cmd"},
	"github.com/ebitengine/purego":        {"sinks/clickhouse"},
}

// file is one parsed Go file.
type file struct {
	path    string // relative to the module's root, slashes
	pkg     string // folder
	test    bool
	imports []string
}

func TestImportLawHolds(t *testing.T) {
	t.Parallel()
	files := parse(t)
	if len(files) < 10 {
		t.Fatalf("only %d Go files found: the walk is broken", len(files))
	}
	for _, f := range files {
		for _, imp := range f.imports {
			if why := violation(f, imp); why != "" {
				t.Errorf("%s imports %s: %s", f.path, imp, why)
			}
		}
	}
}

func TestLawCatchesViolations(t *testing.T) {
	t.Parallel()
	f := func(pkg, imp string, test, bad bool) {
		t.Helper()
		got := violation(file{path: pkg + "/x.go", pkg: pkg, test: test}, imp)
		if (got != "") != bad {
			t.Errorf("%s (test: %v) importing %s: got %q, want a violation: %v", pkg, test, imp, got, bad)
		}
	}
	f("pipeline", "encoding/json", false, false)
	f("pipeline", "golang.org/x/net/idna", false, true)
	f("pipeline", module+"/internal/golden", false, true)
	f("pipeline/match", module+"/pipeline", false, false)
	f("pipeline/match", module+"/pipeline/normalise", false, true)
	f("pipeline/match", module+"/pipeline/normalise", true, false)
	f("pipeline/match", module+"/policies", false, false)
	f("pipeline/match", module+"/sinks/edl", false, true)
	f("sinks/edl", module+"/pipeline/respond", false, true)
	f("sinks/edl", module+"/pipeline", false, false)
	f("sinks/all", module+"/sinks/edl", false, false)
	f("policies/engine", module+"/pipeline", false, true)
	f("policies/engine", "github.com/open-policy-agent/opa/v1/ast", false, false)
	f("pipeline/correlate", "github.com/open-policy-agent/opa/v1/ast", false, true)
	f("internal/config", module+"/pipeline", false, true)
	f("pipeline/correlate", "github.com/twmb/franz-go/pkg/kgo", false, true)
	f("cmd/riposte", module+"/bench/oracle", false, false)
	f("pipeline/run", module+"/bench/oracle", false, true)
}

// violation says what is wrong with an import, or nothing.
func violation(f file, imp string) string {
	for prefix, owned := range owners {
		if within(imp, prefix) && !withinAny(f.pkg, owned) && !f.test {
			return "only " + strings.Join(owned, ", ") + " may"
		}
	}
	if f.pkg == "pipeline" && !f.test && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
		return "the contract imports the standard library alone"
	}
	ours, ok := strings.CutPrefix(imp, module+"/")
	if !ok || f.test {
		return ""
	}
	return inner(f.pkg, ours)
}

// inner is the law between our own packages.
func inner(from, to string) string {
	switch {
	case within(from, "cmd"), within(from, "bench"):
		return ""
	case within(to, "cmd"), within(to, "bench"):
		return "nothing imports cmd or bench"
	case within(from, "policies"), within(from, "schemas"), within(from, "internal"):
		if within(to, "internal") && within(from, "internal") || within(to, strings.SplitN(from, "/", 2)[0]) {
			return ""
		}
		return "policies, schemas and internal import nothing of ours"
	case within(from, "sources"), within(from, "sinks"):
		if to == "pipeline" || within(to, strings.SplitN(from, "/", 2)[0]) || within(to, "internal") || within(to, "schemas") || within(to, "policies") {
			return ""
		}
		return "sources and sinks see the contract alone"
	}
	if s := stageOf(from); s != "" {
		if other := stageOf(to); other != "" && other != s {
			return "stages never import each other"
		}
		if within(to, "sources") || within(to, "sinks") {
			return "stages do not know sources and sinks"
		}
	}
	return ""
}

func stageOf(pkg string) string {
	for _, s := range stages {
		if within(pkg, "pipeline/"+s) {
			return s
		}
	}
	return ""
}

func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func withinAny(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if within(path, p) {
			return true
		}
	}
	return false
}

// parse reads the imports of every Go file of the module.
func parse(t *testing.T) []file {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var files []file
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, mod := os.Stat(filepath.Join(path, "go.mod"))
			name := d.Name()
			if path != root && (mod == nil || strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f := file{path: filepath.ToSlash(rel), pkg: filepath.ToSlash(filepath.Dir(rel)), test: strings.HasSuffix(path, "_test.go")}
		for _, imp := range parsed.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, p)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
