package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryMistakeOfAConfigurationHasItsLine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, doc, want string }{
		{"unknown key", "tenant: a\nkafka:\n  broker: [x]\n", `:3: unknown key "broker" under kafka, did you mean "brokers"?`},
		{"unknown part", "kafkaa: {}\n", `:1: unknown key "kafkaa"`},
		{"a bare number for a time", "tenant: a\n\nworker:\n  drain: 20\n", ":4"},
		{"text for a number", "worker:\n  lanes: many\n", ":2"},
		{"a secret in the open", "kafka:\n  sasl:\n    password: hunter2\n", ":3"},
		{"no partitions", "topics:\n  partitions: 0\n", "topics.partitions: 0 is not in [1, 4096]"},
		{"no tenant", "tenant: ''\n", "tenant: must not be empty"},
		{"a negative drain", "worker:\n  drain: -1s\n", "drain"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "riposte.yaml")
			writeFile(t, path, tc.doc)
			_, err := (&app{configPath: path}).loadConfig()
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want it to say %q", err, tc.want)
			}
			if codeOf(err) != exitConfig {
				t.Errorf("exit code %d, want %d", codeOf(err), exitConfig)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	t.Chdir(t.TempDir())
	brokers := func(a *app) string {
		t.Helper()
		k, err := a.kafkaOf()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(k.Brokers, ",")
	}
	expect := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: brokers %q, want %q", what, got, want)
		}
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	expect("default", brokers(&app{}), "127.0.0.1:9092")
	own, err := os.UserConfigDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(own, "riposte"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(own, "riposte", defaultConfigPath), "kafka:\n  brokers: [user:1]\n")
	expect("the user's", brokers(&app{}), "user:1")
	writeFile(t, defaultConfigPath, "kafka:\n  brokers: [here:1]\n")
	expect("./riposte.yaml", brokers(&app{}), "here:1")
	named := filepath.Join(t.TempDir(), "other.yaml")
	writeFile(t, named, "kafka:\n  brokers: [named:1]\n")
	expect("--config", brokers(&app{configPath: named}), "named:1")
	t.Setenv("RIPOSTE_KAFKA_BROKERS", "env:1,env:2")
	expect("environment", brokers(&app{configPath: named}), "env:1,env:2")
	expect("flag", brokers(&app{configPath: named, brokers: []string{"flag:1"}}), "flag:1")
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	const secret = "correct-horse-battery"
	t.Setenv("KAFKA_PASSWORD_OF_TEST", secret)
	path := filepath.Join(t.TempDir(), "riposte.yaml")
	writeFile(t, path, "kafka:\n  brokers: ['127.0.0.1:1']\n  sasl: {mechanism: SCRAM-SHA-256, user: u, password: {env: KAFKA_PASSWORD_OF_TEST}}\n"+
		"clickhouse: {dsn: 'clickhouse://u@127.0.0.1:1/riposte', password: {env: KAFKA_PASSWORD_OF_TEST}}\n")
	a := &app{configPath: path}
	cfg, err := a.loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	k, err := cfg.kafka()
	if err != nil {
		t.Fatal(err)
	}
	if string(k.SASL.Password) != secret {
		t.Error("the password did not reach the client")
	}
	shown := fmt.Sprintf("%v %+v %#v %v %+v", cfg, cfg, cfg, k, k)
	for _, args := range [][]string{
		{"check", "--config", path},
		{"check", "--config", path, "--format", "json"},
		{"report", "--config", path, "--log-level", "debug"},
		{"rejects", "list", "--config", path, "--log-level", "debug"},
	} {
		r := invoke(t, args...)
		shown += r.stdout + r.stderr
	}
	if strings.Contains(shown, secret) {
		t.Error("a secret was printed")
	}
}

func TestAMissingSecretIsAConfigurationError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "riposte.yaml")
	writeFile(t, path, "kafka:\n  sasl: {mechanism: PLAIN, user: u, password: {env: NO_SUCH_VARIABLE_IN_TEST}}\n")
	r := invoke(t, "rejects", "list", "--config", path)
	if r.code != exitConfig || !strings.Contains(r.stderr, "NO_SUCH_VARIABLE_IN_TEST") {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

func TestShowConfigSaysWhereEachValueComesFrom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.yaml")
	writeFile(t, path, "tenant: acme\nkafka:\n  sasl: {mechanism: PLAIN, user: u, password: {env: RIPOSTE_TEST_PASSWORD}}\n")
	t.Setenv("RIPOSTE_TEST_PASSWORD", "hunter2")
	t.Setenv("RIPOSTE_WORKER_LANES", "3")
	r := invoke(t, "check", "--show-config", "--config", path)
	if r.code != exitDone {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	have := map[string]string{}
	for line := range strings.Lines(r.stdout) {
		if f := strings.Fields(line); len(f) == 3 {
			have[f[0]] = f[1] + " " + f[2]
		}
	}
	for key, want := range map[string]string{
		"tenant": "acme " + path + ":1", "worker.lanes": "3 RIPOSTE_WORKER_LANES", "respond.grace": "1m0s default",
		"kafka.sasl.password": "'***' " + path + ":3",
	} {
		if have[key] != want {
			t.Errorf("%s: got %q, want %q", key, have[key], want)
		}
	}
	if strings.Contains(r.stdout, "hunter2") {
		t.Error("the secret is shown")
	}
}
