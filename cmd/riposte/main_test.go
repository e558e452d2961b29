package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// asProgram makes the test binary the program itself, so that tests can kill it.
const asProgram = "RIPOSTE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	embedded.Main()
	if os.Getenv(asProgram) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		stop()
		os.Exit(int(code))
	}
	os.Exit(m.Run())
}

// result is how a command line ended.
type result struct {
	code           exitCode
	stdout, stderr string
}

// invoke runs a command line in this process.
func invoke(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := execute(t.Context(), args, strings.NewReader(""), &out, &errs)
	return result{code, out.String(), errs.String()}
}

// program prepares the test binary to run as riposte in an empty working directory.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Dir = t.TempDir()
	return c
}

// needClickHouse skips where there is none to start; with CI=true it fails.
func needClickHouse(t *testing.T) {
	t.Helper()
	if err := embedded.Available(t.Context()); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if testing.Short() {
		t.Skip("starts a ClickHouse; not with -short")
	}
}
