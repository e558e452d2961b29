// Package journal keeps the state of a stage: tables of values that change together, with
// what is needed to make a Kafka transaction of it. Since the last Commit a table can tell
// its changes as a delta, or take all of them back.
//
// The wire form of a delta and of a snapshot piece is the same: a frame with a version, a
// CRC-32C and entries, each of them the whole value of one key as JSON. Values are small (an
// incident, a lease) and change rarely compared with events, so a form that a person can
// read in a dump of the state topic is worth more here than the bytes that it costs.
package journal
