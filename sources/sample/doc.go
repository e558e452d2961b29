// Package sample makes up the traffic of an organisation that does not exist: some 500
// hosts, users and addresses with the rhythm of a working day, in the raw shapes of the
// supported vendors, with five attack stories woven in. It lets `riposte up` show the whole
// way from raw bytes to a response, and it lets tests compare what came out with what went
// in, because the generator knows how many duplicates and broken lines it has made.
//
// The traffic is a function of [Config] alone: no clock, no goroutine, no I/O. [Generator]
// is pulled; whoever pulls decides how fast virtual time passes, by waiting for
// [Record.At] or not. The organisation depends on the seed; ids depend on the seed and
// the start, so that a second run on the same data directory is not taken for a repeat.
//
// Addresses come from ranges that nobody owns: 10.20.0.0/16 inside, 192.0.2.0/24 (RFC 5737)
// for the organisation's own exits, 198.18.0.0/15 (RFC 2544) for the Internet at large,
// 198.51.100.0/24 and 203.0.113.0/24 (RFC 5737) for attackers. Names end in .example
// (RFC 2606).
package sample
