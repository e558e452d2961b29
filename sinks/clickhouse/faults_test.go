package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/riposte-sec/riposte/pipeline"
	clickhousesink "github.com/riposte-sec/riposte/sinks/clickhouse"
)

func TestFaultsSayWhatMustBeDone(t *testing.T) {
	t.Parallel()
	f := func(name string, err error, fault pipeline.Fault, reason string) {
		t.Helper()
		wrapped := clickhousesink.Classify(fmt.Errorf("insert: %w", err))
		if gotFault, gotReason := pipeline.FaultOf(wrapped); gotFault != fault || gotReason != reason {
			t.Errorf("%s: got %v (%s), want %v (%s)", name, gotFault, gotReason, fault, reason)
		}
		if !errors.Is(wrapped, err) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
	answer := func(code int32) error { return &clickhouse.Exception{Code: code, Message: "m"} }
	f("memory", answer(241), pipeline.FaultRetry, "busy")
	f("too many parts", answer(252), pipeline.FaultRetry, "busy")
	f("too many parts, other driver", &ch.Exception{Code: 252}, pipeline.FaultRetry, "busy")
	f("read-only replica", answer(242), pipeline.FaultRetry, "read_only")
	f("keeper", answer(999), pipeline.FaultRetry, "network")
	f("shutting down", answer(236), pipeline.FaultRetry, "network")
	f("unknown table", answer(60), pipeline.FaultStop, "schema")
	f("wrong password", &ch.Exception{Code: 516}, pipeline.FaultStop, "access")
	f("anything else", answer(1), pipeline.FaultStop, "server")
	f("refused", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, pipeline.FaultRetry, "network")
	f("cut off", io.ErrUnexpectedEOF, pipeline.FaultRetry, "network")
	f("timed out", context.DeadlineExceeded, pipeline.FaultRetry, "network")
	f("closed", ch.ErrClosed, pipeline.FaultRetry, "network")
	f("canceled", context.Canceled, pipeline.FaultNone, "canceled")
	f("marked before", pipeline.AsReject("mine", errors.New("x")), pipeline.FaultReject, "mine")
	f("ours", errors.New("x"), pipeline.FaultStop, "unmarked")
	if clickhousesink.Classify(nil) != nil {
		t.Error("nil became an error")
	}
}
