package config

import (
	"strings"
	"testing"
	"time"
)

// all has one of every kind of value that a configuration can hold.
type all struct {
	Name    string             `yaml:"name"`
	Brokers []string           `yaml:"brokers"`
	Every   Duration           `yaml:"every"`
	Most    Size               `yaml:"most"`
	Key     Secret             `yaml:"key"`
	Lanes   int                `yaml:"lanes"`
	On      *bool              `yaml:"on"`
	Sinks   map[string]Section `yaml:"sinks"`
	Rules   []struct {
		ID     string            `yaml:"id"`
		Labels map[string]string `yaml:"labels"`
	} `yaml:"rules"`
}

// FuzzDecode gives any document: an error begins each line with the document's name.
func FuzzDecode(f *testing.F) {
	f.Add("name: x\nbrokers: [a, b]\nevery: 7d\nmost: 64MiB\nkey: {env: K}\nlanes: 3\non: true\nsinks: {edl: {max: 1}}\nrules: [{id: a, labels: {b: c}}]\n")
	f.Add("rules: &r\n- {id: 1, x: 2}\nbrokers: *r\n")
	f.Add("a: &a [*a]\n")
	f.Add("sinks: {edl: *x}\n--- {}\n")
	f.Add("<<: {name: x}\nNAME: 1\nname: !!binary aGk=\n")
	f.Fuzz(func(t *testing.T, doc string) {
		var c all
		err := Decode("c.yaml", []byte(doc), &c)
		if err == nil {
			for name, s := range c.Sinks {
				var part all
				if err := s.Decode("c.yaml", "sinks."+name, &part); err != nil && !strings.Contains(err.Error(), "c.yaml:") {
					t.Errorf("section %q: %v", name, err)
				}
			}
			if _, err := Settings(&c); err != nil {
				t.Errorf("no settings: %v", err)
			}
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if strings.HasPrefix(line, "c.yaml:") {
				return
			}
		}
		t.Errorf("no line of the error names the document: %v", err)
	})
}

// FuzzEnv sets every variable to any text.
func FuzzEnv(f *testing.F) {
	f.Add("a,b")
	f.Add("7d")
	f.Add("{env: K}")
	f.Add("[{id: a}]")
	f.Fuzz(func(_ *testing.T, value string) {
		var c all
		_, _ = Env("R", func(string) (string, bool) { return value, true }, &c)
	})
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"7d", "1h30m", "-1s", "65535d", "0", "1.5h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%q is %v, which reads back as %v (%v)", s, d, again, err)
		}
		if days, ok := strings.CutSuffix(s, "d"); ok && days != "" && d%(24*time.Hour) != 0 {
			t.Errorf("%q is %v: no whole days", s, d)
		}
	})
}
