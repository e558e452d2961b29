package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// holderEnv makes the test binary a process that starts a server, says where it
// listens, and waits to be killed.
const holderEnv = "RIPOSTE_EMBEDDED_TEST_HOLDER"

func TestMain(m *testing.M) {
	Main()
	if dir := os.Getenv(holderEnv); dir != "" {
		hold(dir)
	}
	os.Exit(m.Run())
}

// hold is the life of a parent that gets killed.
func hold(dir string) {
	s, err := Start(context.Background(), Config{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	said, _ := json.Marshal(map[string]any{"http": s.HTTPAddr, "pid": s.cmd.Process.Pid})
	fmt.Println(string(said))
	select {}
}

// need skips the test where no server can be started, and fails it under CI.
func need(t *testing.T) {
	t.Helper()
	err := Available(t.Context())
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	need(t)
	s, err := Start(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func query(t *testing.T, addr, sql string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/", strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true // a server waits for its clients' connections before it ends
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", sql, resp.Status, body, err)
	}
	return strings.TrimSpace(string(body))
}

func TestServerAnswersOnBothProtocols(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir())
	if got := query(t, s.HTTPAddr, "SELECT 6 * 7"); got != "42" {
		t.Errorf("got %q, want 42", got)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if s.Version == "" {
		t.Error("server did not say its version")
	}
}

func TestClosedServerIsGoneAndItsDataIsServedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir)
	query(t, first.HTTPAddr, "CREATE TABLE default.kept (n UInt32) ENGINE = MergeTree ORDER BY n")
	query(t, first.HTTPAddr, "INSERT INTO default.kept SELECT number FROM numbers(1000)")
	pid := first.cmd.Process.Pid
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Errorf("process %d lives after Close", pid)
	}
	second := start(t, dir)
	if got := query(t, second.HTTPAddr, "SELECT count() FROM default.kept"); got != "1000" {
		t.Errorf("got %s rows after the restart, want 1000", got)
	}
}

func TestSecondServerOnTheSameDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, dir)
	_, err := Start(t.Context(), Config{Dir: dir})
	busy, ok := errors.AsType[*BusyError](err)
	if !ok {
		t.Fatalf("got %v, want *BusyError", err)
	}
	if busy.PID != os.Getpid() || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %q, want a message that names process %d and %s", err, os.Getpid(), dir)
	}
}

func TestTwoServersOnTwoDirectoriesRunSideBySide(t *testing.T) {
	t.Parallel()
	a, b := start(t, t.TempDir()), start(t, t.TempDir())
	query(t, a.HTTPAddr, "CREATE TABLE default.mine (n UInt8) ENGINE = MergeTree ORDER BY n")
	if got := query(t, b.HTTPAddr, "EXISTS TABLE default.mine"); got != "0" {
		t.Errorf("the second server sees the first one's table")
	}
}

func TestTakenPortIsNamedAndNotMistakenForOurs(t *testing.T) {
	t.Parallel()
	a := start(t, t.TempDir())
	_, port, err := net.SplitHostPort(a.HTTPAddr)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Dir: t.TempDir(), HTTPPort: taken})
	if !errors.Is(err, errPortTaken) {
		t.Fatalf("got %v, want %v", err, errPortTaken)
	}
	if !strings.Contains(err.Error(), port) {
		t.Errorf("%q does not name port %s", err, port)
	}
}

// TestServerEndsWithAKilledParentAndItsDataStays kills the parent, and checks
// that the server follows by itself, that a new one waits for that instead of
// refusing, and that it serves what was written.
func TestServerEndsWithAKilledParentAndItsDataStays(t *testing.T) {
	t.Parallel()
	need(t)
	dir := t.TempDir()
	parent, addr, pid := startHolder(t, dir)
	query(t, addr, "CREATE TABLE default.kept (n UInt32) ENGINE = MergeTree ORDER BY n")
	query(t, addr, "INSERT INTO default.kept SELECT number FROM numbers(500)")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // "signal: killed" is what is wanted

	s := start(t, dir) // waits for the lock, which the orphan holds until it is gone
	if alive(pid) && !isZombie(pid) {
		t.Errorf("server %d outlived its parent and its lock", pid)
	}
	if got := query(t, s.HTTPAddr, "SELECT count() FROM default.kept"); got != "500" {
		t.Errorf("got %s rows, want 500", got)
	}
}

func TestKilledServerIsNoticedAndItsDataStays(t *testing.T) {
	t.Parallel()
	need(t)
	dir := t.TempDir()
	s, err := Start(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	query(t, s.HTTPAddr, "CREATE TABLE default.kept (n UInt32) ENGINE = MergeTree ORDER BY n")
	query(t, s.HTTPAddr, "INSERT INTO default.kept SELECT number FROM numbers(700)")
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Exited():
	case <-t.Context().Done():
		t.Fatal("a killed server was not noticed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, start(t, dir).HTTPAddr, "SELECT count() FROM default.kept"); got != "700" {
		t.Errorf("got %s rows, want 700", got)
	}
}

// startHolder starts this test binary as a parent and returns it with its
// server's address and process id.
func startHolder(t *testing.T, dir string) (cmd *exec.Cmd, addr string, pid int) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), holderEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		HTTP string
		PID  int
	}
	if err := json.Unmarshal(line, &said); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return cmd, said.HTTP, said.PID
}

// isZombie reports whether the process has ended and only waits to be reaped by
// whoever inherited it.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// TestBinaryOnPathIsUsedWhenNewEnough puts a stand-in called clickhouse on PATH:
// a script that checks how it is called and becomes the library's server.
func TestBinaryOnPathIsUsedWhenNewEnough(t *testing.T) {
	need(t)
	lib, err := installed()
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	script := fmt.Sprintf(`#!/bin/sh
[ "$1" = local ] || exit 9
shift
[ "$1" = --version ] && { echo "ClickHouse local version 26.8.1.1 (official build)."; exit 0; }
%s=%s exec %s "$@"
`, childEnv, lib, os.Args[0])
	bin := filepath.Join(dir, "clickhouse")
	if err := os.WriteFile(bin, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	prog, err := find(t.Context())
	if err != nil || prog.path != bin {
		t.Fatalf("got %+v, %v, want the binary on PATH", prog, err)
	}
	s := start(t, t.TempDir())
	if got := query(t, s.HTTPAddr, "SELECT 1"); got != "1" {
		t.Errorf("got %q, want 1", got)
	}
}

func TestOldBinaryIsNotUsed(t *testing.T) {
	t.Parallel()
	f := func(banner string, want bool) {
		t.Helper()
		if got := newEnough(banner); got != want {
			t.Errorf("newEnough(%q) = %v, want %v", banner, got, want)
		}
	}
	f("ClickHouse local version 26.7.2.1 (official build).", true)
	f("ClickHouse local version 27.1.1.1.", true)
	f("ClickHouse local version 26.6.9.9 (official build).", false)
	f("ClickHouse local version 24.8.14.39 (official build).", false)
	f("ClickHouse client version 18.16.1.", false)
	f("", false)
	f("no such program", false)
}

func TestLockOfADeadTakerIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	held, err := lockDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	dead := exec.CommandContext(t.Context(), "true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	if err := held.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if _, err := held.WriteAt([]byte(strconv.Itoa(dead.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		f, err := lockDir(t.Context(), dir)
		if err == nil {
			err = f.Close()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("the lock of a dead taker was not waited for: %v", err)
	case <-time.After(200 * time.Millisecond): // four rounds of waiting
	}
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	_ = held.Close()
}
