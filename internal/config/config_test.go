package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

type sample struct {
	Brokers []string `yaml:"brokers"`
	Every   Duration `yaml:"every"`
	Budget  Size     `yaml:"budget"`
	TLS     struct {
		CA  string `yaml:"ca_file"`
		Key Secret `yaml:"key"`
	} `yaml:"tls"`
	Sinks map[string]struct {
		URL string `yaml:"url"`
	} `yaml:"sinks"`
	Lists []struct {
		Name string `yaml:"name"`
	} `yaml:"lists"`
}

func TestDocumentFillsTheStructOverItsDefaults(t *testing.T) {
	t.Setenv("RIPOSTE_TEST_KEY", "s3cret")
	c := sample{Every: Duration(time.Second), Brokers: []string{"default:9092"}}
	doc := "budget: 64MiB\ntls: {ca_file: ca.pem, key: {env: RIPOSTE_TEST_KEY}}\nsinks: {a: {url: x}}\n"
	if err := Decode("riposte.yaml", []byte(doc), &c); err != nil {
		t.Fatal(err)
	}
	key, err := c.TLS.Key.Reveal()
	if err != nil || key != "s3cret" {
		t.Errorf("key = %q, %v", key, err)
	}
	if c.Budget != 64<<20 || time.Duration(c.Every) != time.Second || c.Brokers[0] != "default:9092" || c.Sinks["a"].URL != "x" {
		t.Errorf("decoded %+v", c)
	}
}

func TestProblemsNameLineAndNearestKey(t *testing.T) {
	t.Parallel()
	f := func(name, doc string, want ...string) {
		t.Helper()
		err := Decode("r.yaml", []byte(doc), &sample{})
		if err == nil {
			t.Errorf("%s: no error", name)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got %q, want it to contain %q", name, err, w)
			}
		}
	}
	f("unknown key", "every: 1s\nbroker: [a]\n", `r.yaml:2: unknown key "broker", did you mean "brokers"?`)
	f("nested", "tls:\n  ca_fil: x\n", `r.yaml:2: unknown key "ca_fil" under tls, did you mean "ca_file"?`)
	f("in a map", "sinks:\n  a:\n    urll: x\n", `r.yaml:3: unknown key "urll" under sinks.a`)
	f("in a list", "lists:\n- name: a\n- nam: b\n", `r.yaml:3: unknown key "nam" under lists[1]`)
	f("two problems", "brokrs: []\nevry: 1s\n", "r.yaml:1:", "r.yaml:2:")
	f("bare duration", "\nevery: 30\n", "r.yaml:2: ", `duration "30"`)
	f("bare size", "budget: 30\n", `size "30"`)
	f("wrong type", "brokers: 5\n", "r.yaml:1:")
	f("secret as a value", "tls:\n  key: hunter2\n", "r.yaml:2: ", "never the value itself")
	f("secret twice", "tls:\n  key: {env: A, file: b}\n", "one of env and file")
	f("no YAML", "a: [", "r.yaml:")
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	s := SecretOf("s3cret")
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s)
	j, _ := json.Marshal(map[string]any{"s": s})
	y, _ := yaml.Marshal(map[string]any{"s": s})
	all := fmt.Sprint(s, &s) + fmt.Sprintf("%s %v %+v %#v %q %x %d", s, s, s, s, s, s, s) + log.String() + string(j) + string(y)
	if strings.Contains(all, "s3cret") || strings.Contains(all, "733363726574") {
		t.Errorf("the secret stands in %s", all)
	}
	if !strings.Contains(all, "***") {
		t.Errorf("nothing was printed: %s", all)
	}
}

func TestSecretErrorsNameTheReference(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(s Secret, want string) {
		t.Helper()
		if _, err := s.Reveal(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Reveal: %v, want it to name %s", err, want)
		}
	}
	f(Secret{env: "RIPOSTE_NOT_SET"}, "RIPOSTE_NOT_SET")
	f(Secret{file: "/does/not/exist"}, "/does/not/exist")
	f(Secret{file: empty}, "empty")
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "64KiB", "9223372036854775807GiB", "-1B", "1.5MiB", " 1MiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseSize(s)
		if err != nil {
			return
		}
		text, _ := v.MarshalYAML()
		if again, err := ParseSize(text.(string)); v < 0 || err != nil || again != v {
			t.Errorf("ParseSize(%q) = %d, written %v, read back %d (%v)", s, v, text, again, err)
		}
	})
}

func TestEnvironmentOverridesTheDocument(t *testing.T) {
	t.Parallel()
	env := map[string]string{"R_BROKERS": "a:1,b:2", "R_EVERY": "7d", "R_TLS_CA_FILE": "x.pem", "R_TLS_KEY": "{env: K}"}
	c := sample{Brokers: []string{"old"}}
	set, err := Env("R", func(k string) (string, bool) { v, ok := env[k]; return v, ok }, &c)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Brokers) != 2 || c.Brokers[1] != "b:2" || time.Duration(c.Every) != 7*24*time.Hour || c.TLS.CA != "x.pem" || c.TLS.Key.IsZero() {
		t.Errorf("got %+v", c)
	}
	if got := strings.Join(set, " "); got != "brokers every tls.ca_file tls.key" {
		t.Errorf("set %s", got)
	}
	_, err = Env("R", func(k string) (string, bool) { return "30", k == "R_EVERY" }, &c)
	if err == nil || !strings.Contains(err.Error(), "R_EVERY") {
		t.Errorf("a bare duration: %v", err)
	}
}

func TestSectionIsDecodedByItsOwner(t *testing.T) {
	t.Parallel()
	var c struct {
		Sinks map[string]Section `yaml:"sinks"`
	}
	if err := Decode("r.yaml", []byte("# x\n\nsinks:\n  a: {url: x}\n  b:\n  c:\n\n    urls: y\n"), &c); err != nil {
		t.Fatal(err)
	}
	part := struct {
		URL string `yaml:"url"`
	}{"default"}
	if err := c.Sinks["b"].Decode("r.yaml", "sinks.b", &part); err != nil || part.URL != "default" {
		t.Errorf("an empty section: %+v, %v", part, err)
	}
	if err := c.Sinks["a"].Decode("r.yaml", "sinks.a", &part); err != nil || part.URL != "x" {
		t.Errorf("section a: %+v, %v", part, err)
	}
	err := c.Sinks["c"].Decode("r.yaml", "sinks.c", &part)
	if want := `r.yaml:8: unknown key "urls" under sinks.c, did you mean "url"?`; err == nil || err.Error() != want {
		t.Errorf("section c: %v, want %s", err, want)
	}
}

func TestSettingsShowEveryValueAndNoSecret(t *testing.T) {
	t.Parallel()
	c := sample{Every: Duration(time.Minute), Brokers: []string{"default:9092"}, Budget: 256 << 20}
	c.TLS.Key = SecretOf("s3cret")
	all, err := Settings(&c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, s.Path+"="+s.Value)
	}
	want := `brokers=['default:9092'] every=1m0s budget=256MiB tls.ca_file="" tls.key='***' sinks={} lists=[]`
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestLinesTellWhereKeysStand(t *testing.T) {
	t.Parallel()
	got := Lines([]byte("brokers: [a]\ntls:\n  ca_file: x\n"))
	if len(got) != 3 || got["brokers"] != 1 || got["tls"] != 2 || got["tls.ca_file"] != 3 {
		t.Errorf("got %v", got)
	}
}
