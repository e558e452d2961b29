package oracle

import (
	"fmt"
	"io"
	"time"
)

// Report is the judgement of a run.
type Report struct {
	Inputs int // records on the raw topics
	Unique int // events that they must become

	Lost              int // events, rejects, signals, intents, effects that should exist and do not
	Doubled           int // those that exist more than once, or should not exist at all
	Altered           int // events and rejects whose bytes are not those of the input
	Misordered        int // events of a key behind a later one, or on another partition
	Miscounted        int // accounts and alerts that do not add up
	EffectsDoubled    int // effects at the vendor beyond the one per target
	ClickHouseMissing int // committed records without a row
	ClickHouseDoubled int // rows beyond the one per committed record

	Episodes        int // that the correlations under test must find
	EpisodesMissing int // of those, not told, or told with other evidence
	EpisodesExtra   int // told and not expected

	// Findings are the first faults in words, at most 50 of them.
	Findings []string

	Kills  int
	Kinds  string        // the kills by who was killed, or at which crash point; not of the oracle
	Behind time.Duration // the most that the pipeline was behind its input; not of the oracle
	Seed   uint64
}

const maxFindings = 50

// OK reports whether nothing is off.
func (r *Report) OK() bool {
	return r.Lost+r.Doubled+r.Altered+r.Misordered+r.Miscounted+r.EffectsDoubled+r.ClickHouseMissing+r.ClickHouseDoubled+r.EpisodesMissing+r.EpisodesExtra == 0
}

// Line is the last line of a run.
func (r *Report) Line() string {
	return fmt.Sprintf("oracle: inputs=%d unique=%d lost=%d doubled=%d effects_doubled=%d clickhouse_missing=%d clickhouse_doubled=%d altered=%d misordered=%d miscounted=%d episodes=%d episodes_missing=%d episodes_extra=%d kills=%d seed=%d",
		r.Inputs, r.Unique, r.Lost, r.Doubled, r.EffectsDoubled, r.ClickHouseMissing, r.ClickHouseDoubled,
		r.Altered, r.Misordered, r.Miscounted, r.Episodes, r.EpisodesMissing, r.EpisodesExtra, r.Kills, r.Seed)
}

// Print writes the findings, the kills by kind, and the last line.
func (r *Report) Print(w io.Writer) {
	for _, f := range r.Findings {
		fmt.Fprintln(w, "finding:", f)
	}
	if r.Kinds != "" {
		fmt.Fprintln(w, "kills:", r.Kinds)
	}
	fmt.Fprintln(w, r.Line())
}

// found counts a fault and describes it.
func (r *Report) found(counter *int, n int, format string, args ...any) {
	*counter += n
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
	}
}
