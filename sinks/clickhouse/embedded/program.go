package embedded

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"time"
)

// LibraryEnv names a libchdb to use instead of the installed one, for platforms
// that have no pinned package.
const LibraryEnv = "RIPOSTE_LIBCHDB"

// minBinary is the oldest clickhouse that is used from PATH: the first one that
// was seen to serve from "clickhouse local" (SYSTEM START LISTEN there is
// ClickHouse pull request 101143).
var minBinary = [2]int{26, 7}

// program is a way to become a server: a path, what comes before the server's
// arguments, and what the environment needs beside the parent's.
type program struct {
	name string // for people
	path string
	args []string
	env  []string
}

// MissingError says that this machine has nothing that could serve.
type MissingError struct {
	// Why says what was looked for and not found.
	Why string
}

// Error says what is missing and which command installs it.
func (e *MissingError) Error() string {
	return fmt.Sprintf("clickhouse: %s: run \"make deps\" or \"riposte deps\" to fetch libchdb, or put a clickhouse binary of %d.%d or later on PATH",
		e.Why, minBinary[0], minBinary[1])
}

// find chooses the program: the library that LibraryEnv names, else a clickhouse
// on PATH that is new enough, else the installed library.
func find(ctx context.Context) (program, error) {
	if lib := os.Getenv(LibraryEnv); lib != "" {
		if _, err := os.Stat(lib); err != nil { //nolint:gosec // naming the library is what the variable is for
			return program{}, &MissingError{Why: fmt.Sprintf("%s: %v", LibraryEnv, err)}
		}
		return self(lib)
	}
	if path, ok := findBinary(ctx); ok {
		return program{name: path, path: path, args: []string{"local"}}, nil
	}
	lib, err := installed()
	if err != nil {
		return program{}, err
	}
	return self(lib)
}

// self is this program, started again as a child that opens lib.
func self(lib string) (program, error) {
	exe, err := os.Executable()
	if err != nil {
		return program{}, fmt.Errorf("clickhouse: own path: %w", err)
	}
	return program{name: lib, path: exe, env: []string{childEnv + "=" + lib}}, nil
}

// Available reports whether Start would find a program: nil, or what Start would
// return.
func Available(ctx context.Context) error {
	_, err := find(ctx)
	return err
}

var binaryVersion = regexp.MustCompile(`version (\d+)\.(\d+)\.`)

// findBinary returns the clickhouse on PATH if it is new enough to serve.
func findBinary(ctx context.Context) (string, bool) {
	path, err := exec.LookPath("clickhouse")
	if err != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "local", "--version").Output() //nolint:gosec // what PATH says is what the user wants
	if err != nil {
		return "", false
	}
	return path, newEnough(string(out))
}

// newEnough reads a banner such as "ClickHouse local version 26.7.2.1 (official build)" and
// reports whether that version serves.
func newEnough(banner string) bool {
	m := binaryVersion.FindStringSubmatch(banner)
	if m == nil {
		return false
	}
	major, err1 := strconv.Atoi(m[1])
	minor, err2 := strconv.Atoi(m[2])
	if err1 != nil || err2 != nil {
		return false
	}
	return major > minBinary[0] || major == minBinary[0] && minor >= minBinary[1]
}

func platform() string { return runtime.GOOS + "/" + runtime.GOARCH }
