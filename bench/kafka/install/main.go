// Command install fetches the jars of Apache Kafka into the cache, for the tests that need
// them, and prints their folder.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/riposte-sec/riposte/bench/kafka"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	lib, err := kafka.Install(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
	fmt.Println(lib)
}
