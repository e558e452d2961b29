// Package config reads YAML documents strictly: an unknown key is an error that names the
// line and the nearest key that exists, durations are "30s", sizes "64MiB", and secrets are
// references to the environment or to a file that never print themselves.
//
// Each component owns a Config struct beside its code. This package only fills it in.
package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Decode fills into, a pointer to a struct that already holds its defaults, from the YAML
// document doc. name is the document's name in errors, usually its path. Every problem of
// the document is reported, one per line of the error. An empty document changes nothing.
func Decode(name string, doc []byte, into any) error {
	var root yaml.Node
	if err := yaml.Unmarshal(doc, &root); err != nil {
		return fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(root.Content) == 0 {
		return nil
	}
	return decodeNode(name, "", root.Content[0], into)
}

// decodeNode fills into from the part of the document that lies under path.
func decodeNode(name, path string, n *yaml.Node, into any) error {
	var problems []error
	unknownKeys(n, reflect.TypeOf(into), path, func(n *yaml.Node, msg string) {
		problems = append(problems, fmt.Errorf("%s:%d: %s", name, n.Line, msg))
	})
	if err := n.Decode(into); err != nil {
		problems = append(problems, typeErrors(name, err)...)
	}
	return errors.Join(problems...)
}

var lineOf = regexp.MustCompile(`^line (\d+): `)

// typeErrors puts yaml's "line N: ..." into the form "name:N: ...".
func typeErrors(name string, err error) []error {
	lines := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if te := (*yaml.TypeError)(nil); errors.As(err, &te) { //nolint:forbidigo // yaml.TypeError is matched by pointer, which AsType cannot infer here
		lines = te.Errors
	}
	out := make([]error, 0, len(lines))
	for _, l := range lines {
		if m := lineOf.FindStringSubmatch(l); m != nil {
			l = m[1] + ": " + l[len(m[0]):]
		} else {
			l = " " + l
		}
		out = append(out, fmt.Errorf("%s:%s", name, l))
	}
	return out
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()

// unknownKeys walks the node beside the type and reports each key that the type does not have.
func unknownKeys(n *yaml.Node, t reflect.Type, path string, report func(*yaml.Node, string)) {
	for t.Kind() == reflect.Pointer {
		if t.Implements(unmarshaler) {
			return
		}
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return
	}
	switch {
	case n.Kind == yaml.AliasNode:
		unknownKeys(n.Alias, t, path, report)
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, c := range n.Content {
			unknownKeys(c, t.Elem(), path+"["+strconv.Itoa(i)+"]", report)
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for i := 0; i+1 < len(n.Content); i += 2 {
			unknownKeys(n.Content[i+1], t.Elem(), join(path, n.Content[i].Value), report)
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		fields := fieldsOf(t)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			ft, ok := fields[key]
			if !ok {
				report(n.Content[i], fmt.Sprintf("unknown key %q%s%s", key, under(path), didYouMean(key, fields)))
				continue
			}
			unknownKeys(n.Content[i+1], ft, join(path, key), report)
		}
	}
}

// fieldsOf returns the keys of a struct as yaml sees them, inlined structs included.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := make(map[string]reflect.Type, t.NumField())
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-":
		case strings.Contains(opts, "inline"):
			maps.Copy(out, fieldsOf(f.Type))
		case name == "":
			out[strings.ToLower(f.Name)] = f.Type
		default:
			out[name] = f.Type
		}
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func under(path string) string {
	if path == "" {
		return ""
	}
	return " under " + path
}

// didYouMean names the key nearest to the unknown one, if one is near.
func didYouMean(key string, fields map[string]reflect.Type) string {
	best, dist := "", 1+len(key)/3
	for k := range fields {
		if d := Distance(key, k); d < dist || d == dist && best != "" && k < best {
			best, dist = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// Distance is the Levenshtein distance of two short words: how many bytes to insert, delete
// or replace between them.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost = 1 + min(diag, row[j], row[j+1])
			}
			diag, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
