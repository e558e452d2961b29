package kafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVerifyRefusesWhatIsNotListed(t *testing.T) {
	t.Parallel()
	const list = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  a.jar\n" // "hello"
	f := func(name string, files map[string]string, want string) {
		t.Helper()
		dir := t.TempDir()
		for n, content := range files {
			if err := os.WriteFile(filepath.Join(dir, n), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := verify(dir, list)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f("as listed", map[string]string{"a.jar": "hello"}, "")
	f("altered", map[string]string{"a.jar": "hellO"}, "has SHA-256")
	f("missing", nil, "a.jar is missing")
	f("one too many", map[string]string{"a.jar": "hello", "b.jar": ""}, "not in the list")
}

func TestEveryJarOfThePomIsListed(t *testing.T) {
	t.Parallel()
	for _, jar := range []string{"kafka_2.13-" + Version + ".jar", "slf4j-reload4j-"} {
		if !strings.Contains(digests, "  "+jar) {
			t.Errorf("jars.sha256 does not list %s", jar)
		}
	}
	if !strings.Contains(string(pom), "<version>"+Version+"</version>") {
		t.Errorf("pom.xml does not name version %s", Version)
	}
}

func TestMissingProgramIsNamedWithItsInstallCommand(t *testing.T) {
	t.Parallel()
	err := require("no-such-program-here", "apt-get install -y it")
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y it") {
		t.Errorf("got %v", err)
	}
}
