// Package columns holds rows by column, in the types of the ClickHouse schema: what
// pipeline/record fills and sinks/clickhouse sends. It knows neither of them.
//
// Columns grow by Append and are emptied by Reset, which keeps their memory; appending
// copies. None of the types is safe for concurrent use.
package columns
