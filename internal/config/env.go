package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Env sets fields of into, a pointer to a struct, from environment variables: the field
// kafka.brokers from <prefix>_KAFKA_BROKERS. Values are YAML scalars or flow lists; a list
// of words may be written a,b,c. Maps and lists of structs cannot be set this way. lookup is
// os.LookupEnv outside of tests. It returns the paths that it set.
func Env(prefix string, lookup func(string) (string, bool), into any) ([]string, error) {
	var set []string
	var errs []error
	walk(prefix, "", reflect.ValueOf(into).Elem(), func(name, path string, v reflect.Value) {
		text, ok := lookup(name)
		if !ok {
			return
		}
		if v.Kind() == reflect.Slice && !strings.HasPrefix(text, "[") {
			text = "[" + text + "]"
		}
		if err := yaml.Unmarshal([]byte(text), v.Addr().Interface()); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: ")))
			return
		}
		set = append(set, path)
	})
	return set, errors.Join(errs...)
}

// walk visits the leaves that a variable can set: scalars, lists of scalars and types that
// decode themselves.
func walk(name, path string, v reflect.Value, visit func(name, path string, v reflect.Value)) {
	for f, fv := range v.Fields() {
		key, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" {
			continue
		}
		if strings.Contains(opts, "inline") {
			walk(name, path, fv, visit)
			continue
		}
		if key == "" {
			key = strings.ToLower(f.Name)
		}
		n, p := name+"_"+strings.ToUpper(key), join(path, key)
		switch {
		case reflect.PointerTo(f.Type).Implements(unmarshaler):
			visit(n, p, fv)
		case f.Type.Kind() == reflect.Struct:
			walk(n, p, fv, visit)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() != reflect.Struct:
			visit(n, p, fv)
		case f.Type.Kind() != reflect.Slice && f.Type.Kind() != reflect.Map && f.Type.Kind() != reflect.Pointer:
			visit(n, p, fv)
		}
	}
}
