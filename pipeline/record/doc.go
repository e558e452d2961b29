// Package record turns committed records into rows: what lies on the topics becomes what
// stands in the tables of schemas/clickhouse. It is pure code. It knows the topics' values
// and the tables' columns, no database and no broker; equal blocks give equal rows, which is
// what makes an insert that is repeated after a crash harmless.
//
// Each record becomes at least one row, so that rows can be counted against records (I5): a
// fact that tells an alert is a row of facts and one of alert_log, a revision one of
// incident_log and one of decisions, and a record that cannot be read is a row of rejects.
//
// Times that no value carries come from the record itself (its broker append time) or from
// its header "times".
package record
