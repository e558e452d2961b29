// Package record says on which machine and of which commit a measurement is, and keeps
// results in files of the project.
package record

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Commit is the short id of the checked-out commit, with "+" if files differ from it, or
// "unknown" outside a checkout.
func Commit(ctx context.Context) string {
	id, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	commit := strings.TrimSpace(string(id))
	if exec.CommandContext(ctx, "git", "diff", "--quiet", "HEAD").Run() != nil {
		commit += "+"
	}
	return commit
}

// Machine is one line about processor, cores, memory, system and Go.
func Machine() string {
	return fmt.Sprintf("%s, %d cores, %s memory, %s/%s, %s", field("/proc/cpuinfo", "model name"), runtime.NumCPU(),
		field("/proc/meminfo", "MemTotal"), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// field returns the value of the first "name : value" line of a file, "unknown" if there
// is none.
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// Head is the block of lines that every result begins with.
func Head(ctx context.Context) string {
	return fmt.Sprintf("time: %s\ncommit: %s\nmachine: %s\nload average: %s\ncommand: %s\n",
		time.Now().UTC().Format(time.RFC3339), Commit(ctx), Machine(), load(), strings.Join(append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...), " "))
}

// load is the load average of the machine over 1, 5 and 15 minutes: what else ran when the
// measurement began.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}

// Append appends a line with time and commit to a file.
func Append(path, line string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = fmt.Fprintf(f, "%s %s %s\n", time.Now().UTC().Format(time.RFC3339), Commit(ctx), line)
	return err
}
