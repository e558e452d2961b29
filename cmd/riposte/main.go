// Command riposte is a streaming threat detection-and-response pipeline: raw security
// events in Kafka become signals, alerts, incidents and responses, and rows in ClickHouse.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// version is set by the linker.
var version = "dev"

func main() {
	embedded.Main() // does not return in the process that becomes the embedded ClickHouse
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(int(code))
}
