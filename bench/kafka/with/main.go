// Command with starts Apache Kafka, runs a command whose tests shall run on it, and ends it:
//
//	go run ./bench/kafka/with go test ./pipeline/run
//
// The exit code is that of the command.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/riposte-sec/riposte/bench/kafka"
	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./bench/kafka/with COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := with(ctx, os.Args[1:])
	stop()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok && ended.Exited() {
		os.Exit(ended.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// with runs command while Kafka runs.
func with(ctx context.Context, command []string) (err error) {
	dir, err := os.MkdirTemp("", "riposte-kafka-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	began := time.Now()
	c, err := kafka.Start(ctx, dir, 1, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	addrs := strings.Join(c.Addrs(), ",")
	fmt.Fprintf(os.Stderr, "Apache Kafka %s at %s after %.1f s\n", kafka.Version, addrs, time.Since(began).Seconds())

	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), kafkatest.Env+"="+addrs)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A test binary that is asked to end leaves nothing behind.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	return cmd.Run()
}
