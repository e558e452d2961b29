// Package embedded runs a real ClickHouse as a child process, for riposte up
// and for tests. It is one server on one machine, listening on the loopback
// address without a password: not for production.
//
// The child is either a clickhouse binary found on PATH or this very program
// started again, which opens libchdb (ClickHouse as a shared library, fetched by
// Install) without cgo and turns into the server. So that the second way works,
// main and TestMain must call Main before anything else.
//
// # How the child ends
//
// The child's query reads its standard input, a pipe whose other end is held by
// the parent alone and carries nothing. The kernel closes that end when the
// parent ends in whatever way, kill -9 included; the query reads end of file and
// the server shuts down in order. Nothing has to notice the death and nothing
// has to be sent. (PR_SET_PDEATHSIG would be weaker here: it fires when the
// thread that started the child ends, which the Go scheduler may do at any time,
// and it kills instead of closing.) A server that does not end within half a
// minute of that is ended hard, by the parent in Close or, where the parent is
// gone, by a watchdog in the child.
//
// The lock on the directory is an open file that the child inherits, so it is
// held until both are gone: a new parent that starts while the old server is
// still closing waits for it and never shares the data with it.
package embedded
