package main

import (
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/riposte-sec/riposte/internal/crash"
)

const usageHead = `Chaos runs brokers, ClickHouse, a fake vendor and several riposte workers as processes,
feeds them records of which the oracle knows what must become, makes faults, and lets
the oracle judge what lies committed in the end. Exit code 1: something is off.

Usage: go run -tags crashpoints ./bench/chaos [flags]

  -kills 300 -most 10m -seed 7              kill -9 on the embedded broker
  -broker kafka -kills 60 -seed 7           the same on Apache Kafka
  -variant zombie                           another fault
  -tally bench/results/chaos.txt            add up what was stored

Flags:
`

const usageTail = `
The seed decides about the records (classes, keys, contents), about who is killed at
which record and how long it stays away, about each worker's lives and crash points, and
about the faults of the broker and of the vendor. It does not decide how the processes
interleave: two runs of one seed have the same schedule, not the same instruction at
which a process dies.

The last line:
  inputs, unique         records that were fed; events that they must become
  lost                   events, rejects, signals, intents, effects that are not there
  doubled                those that are there twice, or should not be
  effects_doubled        effects at the vendor beyond the one that each target gets
  clickhouse_missing     committed records without a row in ClickHouse
  clickhouse_doubled     rows beyond the one of each committed record
  altered                events and rejects whose bytes are not those of the record
  misordered             events of a key behind a later one of it
  miscounted             accounts that do not add up, alerts that count too few or too many
  episodes               alerts that eight correlations, one of each kind, must raise, worked
                         out from the records alone
  episodes_missing       those not raised, or raised with another trigger or evidence
  episodes_extra         those raised and not expected
  kills                  processes that ended by kill -9
A stored line adds broker, variant and
  seconds                how long the run took
  behind                 by how many seconds ingest was behind its input, at most: beyond the
                         lateness of the workers (90 s, on Apache Kafka 180) what is late is the
                         harness's fault, and episodes say nothing
Before it stand the kills by who was killed at random, and at which crash point.

Crash points: `

// usage prints what chaos does, its flags, its variants and what its numbers mean.
func usage(fs *flag.FlagSet) func() {
	return func() {
		out := fs.Output()
		fmt.Fprint(out, usageHead)
		fs.PrintDefaults()
		fmt.Fprintln(out, "\nVariants:")
		listVariants(out)
		fmt.Fprintln(out, usageTail+strings.Join(crash.Points(), ", "))
	}
}

func listVariants(out io.Writer) {
	for _, v := range variants {
		fmt.Fprintf(out, "  %-12s %s\n", v.name, v.help)
	}
}
