package kafka

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

//go:embed pom.xml
var pom []byte

//go:embed jars.sha256
var digests string

// ErrMissing marks the errors about a program that is not installed; the message names the
// command that installs it.
var ErrMissing = errors.New("not installed")

// Installed reports whether the jars are in the cache, without checking their digests.
func Installed() bool {
	lib, err := libDir()
	if err != nil {
		return false
	}
	_, err = os.Stat(lib)
	return err == nil
}

// Install returns the folder with the jars of the broker. The first call on a machine
// fetches them with Maven (44 MB; two minutes with an empty Maven cache) and writes its
// progress, a line at a time, to progress; later calls only check the digests (0.2 s).
// Several processes may call it at once: one of them fetches.
func Install(ctx context.Context, progress io.Writer) (lib string, err error) {
	if err := require("java", "apt-get install -y openjdk-17-jdk-headless"); err != nil {
		return "", err
	}
	lib, err = libDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(lib), 0o755); err != nil {
		return "", fmt.Errorf("kafka cache: %w", err)
	}
	unlock, err := lock(lib + ".lock")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if _, err := os.Stat(lib); errors.Is(err, os.ErrNotExist) {
		if err := fetch(ctx, lib, progress); err != nil {
			return "", err
		}
	}
	if err := verify(lib, digests); err != nil {
		return "", fmt.Errorf("%w (remove %s to fetch it again)", err, lib)
	}
	return lib, nil
}

func libDir() (string, error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		var err error
		if cache, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("kafka cache: %w", err)
		}
	}
	return filepath.Join(cache, "riposte", "kafka-"+Version), nil
}

func require(program, install string) error {
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("apache kafka needs %s, which is %w; install it with: %s", program, ErrMissing, install)
	}
	return nil
}

// lock takes the exclusive lock of a file, waiting for whoever holds it.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("kafka cache: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f.Close, nil
}

// fetch lets Maven copy the jars into a folder beside lib and renames it to lib once they
// are all there and right, so that lib is whole or absent.
func fetch(ctx context.Context, lib string, progress io.Writer) (err error) {
	if err := require("mvn", "apt-get install -y maven"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(lib), "kafka-fetch-")
	if err != nil {
		return fmt.Errorf("kafka cache: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o600); err != nil {
		return fmt.Errorf("kafka cache: %w", err)
	}
	say(progress, "kafka: fetching Apache Kafka %s with Maven into %s", Version, lib)
	got := filepath.Join(dir, "lib")
	if err := maven(ctx, dir, got, progress); err != nil {
		return err
	}
	if err := verify(got, digests); err != nil {
		return err
	}
	if err := os.Rename(got, lib); err != nil {
		return fmt.Errorf("kafka cache: %w", err)
	}
	say(progress, "kafka: %d jars checked", strings.Count(digests, "\n"))
	return nil
}

// maven runs the build without -q, whose only output is errors: the lines about downloads
// are the progress.
func maven(ctx context.Context, dir, out string, progress io.Writer) error {
	cmd := exec.CommandContext(ctx, "mvn", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+out)
	cmd.Dir = dir
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("mvn: %w", err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("mvn: %w", err)
	}
	var failed []string
	files := 0
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.Contains(line, "Downloaded from"):
			if files++; files%25 == 0 {
				say(progress, "kafka: %d files fetched", files)
			}
		case strings.HasPrefix(line, "[ERROR]"):
			failed = append(failed, line)
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return fmt.Errorf("mvn dependency:copy-dependencies: %w\n%s%s", err, strings.Join(failed, "\n"), stderr.String())
	}
	return nil
}

// verify checks that dir holds exactly the files of list (the output format of sha256sum)
// with exactly these contents.
func verify(dir, list string) error {
	want := map[string]string{}
	for line := range strings.Lines(list) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			return fmt.Errorf("list of digests: cannot read line %q", line)
		}
		want[name] = sum
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("kafka jars: %w", err)
	}
	for _, e := range entries {
		sum, known := want[e.Name()]
		if !known {
			return fmt.Errorf("kafka jars: %s is not in the list of digests", filepath.Join(dir, e.Name()))
		}
		delete(want, e.Name())
		got, err := digest(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if got != sum {
			return fmt.Errorf("kafka jars: %s has SHA-256 %s, want %s", filepath.Join(dir, e.Name()), got, sum)
		}
	}
	for name := range want {
		return fmt.Errorf("kafka jars: %s is missing in %s", name, dir)
	}
	return nil
}

func digest(path string) (sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("kafka jars: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("kafka jars: %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func say(w io.Writer, format string, args ...any) {
	if w != nil {
		fmt.Fprintf(w, format+"\n", args...)
	}
}
