package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting is one value of a configuration.
type Setting struct {
	Path  string `json:"key"`   // kafka.brokers
	Value string `json:"value"` // YAML on one line; a secret is ***
}

// Settings returns the values of a configuration, a pointer to a struct, in the order of its
// fields. A map and a list are one value each.
func Settings(cfg any) ([]Setting, error) {
	var all []Setting
	err := settings("", reflect.ValueOf(cfg).Elem(), func(path string, v any) error {
		text, err := oneLine(v)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, Setting{path, text})
		return nil
	})
	return all, err
}

func settings(path string, v reflect.Value, visit func(path string, v any) error) error {
	for f, fv := range v.Fields() {
		key, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" {
			continue
		}
		at := path
		if !strings.Contains(opts, "inline") {
			if key == "" {
				key = strings.ToLower(f.Name)
			}
			at = join(path, key)
		}
		var err error
		if f.Type.Kind() == reflect.Struct && !reflect.PointerTo(f.Type).Implements(unmarshaler) {
			err = settings(at, fv, visit)
		} else {
			err = visit(at, fv.Interface())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func oneLine(v any) (string, error) {
	if s, ok := v.(Secret); ok && s.IsZero() {
		return "", nil
	}
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return "", err
	}
	n.Style = yaml.FlowStyle
	text, err := yaml.Marshal(&n)
	return strings.Join(strings.Fields(string(text)), " "), err
}

// Lines returns where the keys of a YAML document stand: the line of each, by its path. A
// document that is no YAML has none.
func Lines(doc []byte) map[string]int {
	lines := map[string]int{}
	var root yaml.Node
	if yaml.Unmarshal(doc, &root) == nil && len(root.Content) == 1 {
		keyLines(root.Content[0], "", lines)
	}
	return lines
}

func keyLines(n *yaml.Node, path string, lines map[string]int) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		at := join(path, n.Content[i].Value)
		lines[at] = n.Content[i].Line
		keyLines(n.Content[i+1], at, lines)
	}
}
