// Command chaos proves the guarantees of delivery: it runs brokers, ClickHouse, a fake
// vendor and several riposte workers as processes of their own, feeds them records of
// which the oracle knows what must become, kills them with -9 at random and at named crash
// points, restarts them, and lets the oracle judge what lies committed in the end.
//
//	go run -tags crashpoints ./bench/chaos -kills 100 -seed 7 -broker kfake
//
// The last line is the oracle's; the exit code is 1 if anything is off. -help says what
// its numbers mean, what the seed decides about, and which other faults than kills there
// are; -tally adds up the lines that -store wrote.
package main
