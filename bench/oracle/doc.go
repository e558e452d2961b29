// Package oracle judges exactly-once delivery. A [Generator] makes the input and knows what
// must become of every record; [Read], [ReadRows] and [ReadEffects] collect what did become
// of it, from the committed topics, from ClickHouse and from the log of the fake vendor;
// [Check] compares the two and reports what was lost, doubled, altered, misordered or
// miscounted.
//
// The oracle shares no code with what it judges: it names topics, tables and members as
// their documents do and decodes them with the standard library.
package oracle
