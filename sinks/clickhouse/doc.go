// Package clickhouse stores committed records as rows and answers the named queries of
// package schemas.
//
// A [Store] is one database on one server or cluster node. [Store.Migrate] brings its
// schema up to date, [Store.Run] runs a named query, and a [Writer] is the
// [pipeline.RowSink] that inserts blocks: idempotent, because the server refuses a block
// whose token it has seen, in the table and in every view on it.
package clickhouse
