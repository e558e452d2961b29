package match

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/policies/engine"
)

// Detection is one rule, as its METADATA declares it.
type Detection struct {
	Name       string // <name> of package riposte.detect.<name>
	ID         string // custom.id; stands on signals and is what correlations name
	Title      string
	Severity   uint8    // OCSF severity_id, 1 informational to 5 critical
	Owner      string   // who answers for it
	Tactics    []string // ATT&CK tactics, TAnnnn
	Techniques []string // ATT&CK techniques, Tnnnn[.nnn]
	// GroupBy are the paths whose values group the detection's own alerts. Default: the
	// event's first entity.
	GroupBy []string
	// Classes are the only OCSF classes for whose events the rule is evaluated; empty: all.
	Classes []pipeline.Class
	// Sources are the only sources for whose events the rule is evaluated; empty: all.
	Sources []string
	File    string
}

// severities are the names that custom.severity may have, by OCSF severity_id.
var severities = []string{"", "informational", "low", "medium", "high", "critical"}

var (
	idPattern     = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	tacticPattern = regexp.MustCompile(`^TA\d{4}$`)
	attackPattern = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)
)

// Set is the detections that were loaded together, with their compiled modules. It is
// immutable and safe for concurrent use.
type Set struct {
	Detections []Detection // in the order of their ids
	modules    map[string]*ast.Module
	sources    map[string]string
}

// Options are what Load checks the rules against.
type Options struct {
	// Schema, if set, is the JSON schema of an event: a path that it does not know is then
	// an error at load.
	Schema any
}

// Load reads every *.rego file of fsys that is not a test. All errors are reported at once,
// each with file and line.
func Load(fsys fs.FS, opt Options) (*Set, error) {
	s := &Set{modules: map[string]*ast.Module{}, sources: map[string]string{}}
	var errs []error
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		src, err := fs.ReadFile(fsys, path)
		if err != nil {
			return err
		}
		errs = append(errs, s.add(path, string(src)))
		return nil
	})
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("detections: %w", err)
	}
	slices.SortFunc(s.Detections, func(a, b Detection) int { return strings.Compare(a.ID, b.ID) })
	for i := range s.Detections[min(1, len(s.Detections)):] {
		if a, b := s.Detections[i], s.Detections[i+1]; a.ID == b.ID {
			return nil, fmt.Errorf("detections: %s and %s both have the id %q", a.File, b.File, a.ID)
		}
	}
	if _, err := s.compile(opt.Schema); err != nil {
		return nil, fmt.Errorf("detections: %w", err)
	}
	return s, nil
}

// IDs returns the ids of the detections, sorted.
func (s *Set) IDs() []string {
	ids := make([]string, len(s.Detections))
	for i, d := range s.Detections {
		ids[i] = d.ID
	}
	return ids
}

// Sources returns the text of each file by its path, for whoever compiles it anew.
func (s *Set) Sources() map[string]string { return s.sources }

func (s *Set) add(path, src string) error {
	m, err := ast.ParseModuleWithOpts(path, src, ast.ParserOptions{
		ProcessAnnotation: true, RegoVersion: ast.RegoV1, Capabilities: engine.Profile(),
	})
	if err != nil {
		return err
	}
	s.modules[path], s.sources[path] = m, src
	name, ok := strings.CutPrefix(m.Package.Path.String(), "data.riposte.detect.")
	if !ok || strings.Contains(name, ".") {
		if strings.HasPrefix(m.Package.Path.String(), "data.riposte.lib") {
			return nil // shared helpers, no rule
		}
		return fmt.Errorf("%s:%d: package %s: want riposte.detect.<name>", path, m.Package.Location.Row, m.Package.Path)
	}
	if !slices.ContainsFunc(m.Rules, func(r *ast.Rule) bool { return r.Head.Name.String() == "match" }) {
		return fmt.Errorf("%s: no rule match", path)
	}
	d, err := describe(m)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	d.Name, d.File = name, path
	s.Detections = append(s.Detections, d)
	return nil
}

// describe reads the METADATA of the package, and of the rule match where it is there.
func describe(m *ast.Module) (Detection, error) {
	var a *ast.Annotations
	for _, c := range m.Annotations {
		if c.Scope == "package" || a == nil {
			a = c
		}
	}
	if a == nil {
		return Detection{}, errors.New("no METADATA")
	}
	line := a.Location.Row
	d := Detection{Title: a.Title}
	if d.Title == "" {
		return d, fmt.Errorf("%d: METADATA has no title", line)
	}
	for _, key := range slices.Sorted(maps.Keys(a.Custom)) {
		if err := d.set(key, a.Custom[key]); err != nil {
			return d, fmt.Errorf("%d: METADATA custom.%s: %w", line, key, err)
		}
	}
	switch {
	case !idPattern.MatchString(d.ID):
		return d, fmt.Errorf("%d: METADATA custom.id %q: want lower-case words joined by . _ or -", line, d.ID)
	case d.Severity == 0:
		return d, fmt.Errorf("%d: METADATA has no custom.severity", line)
	}
	return d, nil
}

func (d *Detection) set(key string, v any) (err error) {
	switch key {
	case "id":
		d.ID, err = text(v)
	case "owner":
		d.Owner, err = text(v)
	case "severity":
		var name string
		if name, err = text(v); err == nil {
			i := slices.Index(severities, name)
			if i < 1 {
				return fmt.Errorf("%q is none of %s", name, strings.Join(severities[1:], ", "))
			}
			d.Severity = uint8(i)
		}
	case "attack":
		err = d.setAttack(v)
	case "group_by":
		if d.GroupBy, err = texts(v); err == nil {
			for _, p := range d.GroupBy {
				if err := CheckPath(p); err != nil {
					return err
				}
			}
		}
	case "sources":
		d.Sources, err = texts(v)
	case "classes", "class":
		d.Classes, err = classes(v)
	case "false_positives": // for people
		_, err = texts(v)
	default:
		return errors.New("unknown key: want id, owner, severity, attack, group_by, sources, classes or false_positives")
	}
	return err
}

func (d *Detection) setAttack(v any) error {
	ids, err := texts(v)
	if err != nil {
		return err
	}
	for _, id := range ids {
		switch {
		case tacticPattern.MatchString(id):
			d.Tactics = append(d.Tactics, id)
		case attackPattern.MatchString(id):
			d.Techniques = append(d.Techniques, id)
		default:
			return fmt.Errorf("%q is neither a tactic (TA0006) nor a technique (T1110.003)", id)
		}
	}
	return nil
}

func text(v any) (string, error) {
	s, ok := v.(string)
	if !ok || s == "" {
		return "", fmt.Errorf("%v: want a text", v)
	}
	return s, nil
}

func texts(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]string, 0, len(list))
	for _, x := range list {
		s, err := text(x)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func classes(v any) ([]pipeline.Class, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]pipeline.Class, 0, len(list))
	for _, x := range list {
		var n uint32
		if _, err := fmt.Sscan(fmt.Sprint(x), &n); err != nil || n == 0 {
			return nil, fmt.Errorf("%v: want OCSF class_uids", v)
		}
		out = append(out, pipeline.Class(n))
	}
	return out, nil
}
