package clickhouse

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/riposte-sec/riposte/pipeline"
)

// The reasons of this package's faults.
const (
	reasonNetwork  = "network"   // the connection failed or timed out
	reasonBusy     = "busy"      // the server refuses work for now: memory, parts, limits
	reasonSchema   = "schema"    // a table, column or type is not what this program has
	reasonAccess   = "access"    // user, password or rights
	reasonReadOnly = "read_only" // a replica without Keeper, a full or read-only disk
	reasonServer   = "server"    // any other answer of the server
)

// codes are the server's error codes that mean something for what to do next
// (ErrorCodes.cpp of ClickHouse). A write that is in doubt is a Retry as well, not an
// Unknown: its token makes the second try harmless.
var codes = []struct {
	reason string
	retry  bool
	codes  []int32
}{
	{reasonBusy, true, []int32{
		159, // TIMEOUT_EXCEEDED
		160, // TOO_SLOW
		202, // TOO_MANY_SIMULTANEOUS_QUERIES
		203, // NO_FREE_CONNECTION
		241, // MEMORY_LIMIT_EXCEEDED
		252, // TOO_MANY_PARTS
		319, // UNKNOWN_STATUS_OF_INSERT
		394, // QUERY_WAS_CANCELLED
		425, // SYSTEM_ERROR
		473, // DEADLOCK_AVOIDED
		745, // SERVER_OVERLOADED
	}},
	{reasonNetwork, true, []int32{
		3,   // UNEXPECTED_END_OF_FILE
		209, // SOCKET_TIMEOUT
		210, // NETWORK_ERROR
		236, // ABORTED: the server is shutting down
		279, // ALL_CONNECTION_TRIES_FAILED
		999, // KEEPER_EXCEPTION
	}},
	{reasonReadOnly, true, []int32{
		242, // TABLE_IS_READ_ONLY
		243, // NOT_ENOUGH_SPACE
		285, // TOO_FEW_LIVE_REPLICAS
		286, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
	}},
	{reasonAccess, false, []int32{
		192, // UNKNOWN_USER
		193, // WRONG_PASSWORD
		194, // REQUIRED_PASSWORD
		497, // ACCESS_DENIED
		516, // AUTHENTICATION_FAILED
	}},
	{reasonSchema, false, []int32{
		16,  // NO_SUCH_COLUMN_IN_TABLE
		47,  // UNKNOWN_IDENTIFIER
		53,  // TYPE_MISMATCH
		60,  // UNKNOWN_TABLE
		81,  // UNKNOWN_DATABASE
		171, // BLOCKS_HAVE_DIFFERENT_STRUCTURE
	}},
}

// classify marks err with its fault. A wrong schema or a missing right is Stop: the same
// block will be good once a person has mended that, so it must not go to the rejects. An
// error that is marked already stays as it is; an answer of the server that is not in the
// list is Stop, too.
func classify(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, reason := pipeline.FaultOf(err); reason != "unmarked" {
		return err
	}
	if code, ok := codeOf(err); ok {
		for _, c := range codes {
			if !slices.Contains(c.codes, code) {
				continue
			}
			if c.retry {
				return pipeline.AsRetry(c.reason, 0, err)
			}
			return pipeline.AsStop(c.reason, err)
		}
		return pipeline.AsStop(reasonServer, err)
	}
	if isNetwork(err) {
		return pipeline.AsRetry(reasonNetwork, 0, err)
	}
	return err
}

// codeOf returns the code of an answer of the server, from either driver.
func codeOf(err error) (int32, bool) {
	if e, ok := errors.AsType[*clickhouse.Exception](err); ok {
		return e.Code, true
	}
	if e, ok := errors.AsType[*ch.Exception](err); ok {
		return int32(e.Code), true
	}
	return 0, false
}

// isNetwork reports whether the connection is to blame.
func isNetwork(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok { // dial, read and write errors, time-outs
		return true
	}
	for _, e := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded, ch.ErrClosed,
		clickhouse.ErrAcquireConnTimeout, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
