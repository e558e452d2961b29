package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/riposte-sec/riposte/internal/config"
	sinks "github.com/riposte-sec/riposte/sinks/all"
)

var rewrite = flag.Bool("rewrite", false, "write docs/configuration.md instead of comparing it")

const configDoc = "../../docs/configuration.md"

const configIntro = `# Configuration

Written from the structs and their comments by ` + "`go test ./cmd/riposte -run ConfigurationDocument -rewrite`" + `.

One YAML document, named with ` + "`--config`" + ` or found as ` + "`./riposte.yaml`" + `; [deploy/riposte.yaml](../deploy/riposte.yaml) is
one to start from. Unknown keys are errors with their line. Durations are written 30s, 5m or 7d, sizes 64MiB. A secret is a
reference, {env: NAME} or {file: PATH}, never the value. Keys outside of ` + "`sinks`" + ` that are not maps can be set by a variable:
RIPOSTE_ and the path in capitals with _ for the dot, such as RIPOSTE_KAFKA_BROKERS. What wins over what: [cli.md](cli.md).
`

func TestConfigurationDocumentIsThatOfTheStructs(t *testing.T) {
	d := &documenter{t: t, comments: map[string]map[string]string{}}
	d.text.WriteString(configIntro)
	d.section("The program", "", reflect.ValueOf(defaultConfig()))
	for _, k := range sinks.Kinds() {
		d.section("Connector "+k.Name, "sinks."+k.Name, reflect.ValueOf(k.Default))
	}
	if *rewrite {
		if err := os.WriteFile(configDoc, []byte(d.text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(configDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != d.text.String() {
		t.Error("docs/configuration.md is not what the structs say: run this test with -rewrite")
	}
}

func TestTheExampleConfigurationIsValid(t *testing.T) {
	t.Setenv("KAFKA_PASSWORD", "not used without a connection")
	t.Setenv("CLICKHOUSE_PASSWORD", "not used without a connection")
	t.Setenv("WEBHOOK_KEY", "a key of at least sixteen bytes")
	r := invoke(t, "check", "--offline", "--config", "../../deploy/riposte.yaml")
	if r.code != exitDone {
		t.Errorf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// documenter writes a table of keys.
type documenter struct {
	t        *testing.T
	text     strings.Builder
	comments map[string]map[string]string // by package path, then Type.Field
}

func (d *documenter) section(title, path string, v reflect.Value) {
	fmt.Fprintf(&d.text, "\n## %s\n\n| Key | Default | Means |\n|---|---|---|\n", title)
	d.fields(path, v, v.Type().Name())
}

// fields writes a row for each leaf of v. owner is the named type whose comments hold.
func (d *documenter) fields(path string, v reflect.Value, owner string) {
	pkg := v.Type().PkgPath()
	if pkg == "" { // a struct without a name stands in the configuration of this program
		pkg = reflect.TypeFor[Config]().PkgPath()
	}
	for f, fv := range v.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" || key == "" {
			continue
		}
		name, at := owner+"."+f.Name, strings.TrimPrefix(path+"."+key, ".")
		_, own := reflect.TypeAssert[yaml.Unmarshaler](reflect.New(f.Type))
		switch {
		case f.Type.Kind() == reflect.Struct && !own:
			next := f.Type.Name()
			if next == "" {
				next = name
			}
			d.fields(at, fv, next)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			d.row(at+"[]", "", d.comment(pkg, name))
			d.fields(at+"[]", reflect.New(f.Type.Elem()).Elem(), f.Type.Elem().Name())
		default:
			d.row(at, d.value(at, fv), d.comment(pkg, name))
		}
	}
}

func (d *documenter) row(key, value, means string) {
	if value != "" {
		value = "`" + value + "`"
	}
	fmt.Fprintf(&d.text, "| `%s` | %s | %s |\n", key, value, strings.ReplaceAll(means, "|", "\\|"))
}

// value is a default as YAML; what depends on the machine is said in words by the comment.
func (d *documenter) value(path string, v reflect.Value) string {
	if path == "worker.name" || path == "worker.lanes" || path == "sinks" || v.IsZero() && v.Kind() != reflect.Bool && v.Kind() != reflect.Int {
		return ""
	}
	if v.Type() == reflect.TypeFor[config.Secret]() {
		return ""
	}
	if size, ok := reflect.TypeAssert[config.Size](v); ok && size%(1<<20) == 0 {
		return fmt.Sprintf("%dMiB", size>>20)
	}
	text, err := yaml.Marshal(v.Interface())
	if err != nil {
		d.t.Fatalf("%s: %v", path, err)
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		d.t.Fatal(err)
	}
	n.Content[0].Style = yaml.FlowStyle
	if text, err = yaml.Marshal(&n); err != nil {
		d.t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// comment returns the comment of a field on one line.
func (d *documenter) comment(pkg, field string) string {
	all, ok := d.comments[pkg]
	if !ok {
		all = d.parse(pkg)
		d.comments[pkg] = all
	}
	return all[field]
}

// parse reads the comments of all struct fields of a package.
func (d *documenter) parse(pkg string) map[string]string {
	_, dir, ours := strings.Cut(pkg, "github.com/riposte-sec/riposte/")
	if !ours {
		d.t.Fatalf("%s is not a package of ours", pkg)
	}
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil {
		d.t.Fatal(err)
	}
	all := make(map[string]string)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			d.t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if ts, ok := n.(*ast.TypeSpec); ok {
				if st, ok := ts.Type.(*ast.StructType); ok {
					collect(all, ts.Name.Name, st)
				}
			}
			return true
		})
	}
	return all
}

func collect(all map[string]string, owner string, st *ast.StructType) {
	last := "" // a field without a comment shares that of the field before it
	for _, f := range st.Fields.List {
		for _, n := range f.Names {
			text := f.Doc.Text()
			if text == "" {
				text = f.Comment.Text()
			}
			if text == "" {
				text = last
			}
			last = text
			all[owner+"."+n.Name] = strings.Join(strings.Fields(text), " ")
			if inner, ok := f.Type.(*ast.StructType); ok {
				collect(all, owner+"."+n.Name, inner)
			}
		}
	}
}
