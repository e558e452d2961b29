package oracle

import (
	"errors"
	"fmt"
)

// Plan says what a Generator makes. Equal plans make equal sequences of classes, keys and
// contents, but for the times.
type Plan struct {
	Seed    uint64 `json:"seed"`
	Records int    `json:"records"` // in all; at least 1
	Keys    int    `json:"keys"`    // different keys of ordinary records; 1 to 65536, default 1000

	Duplicates float64 `json:"duplicates"` // share of records, default 0.2
	Poison     float64 `json:"poison"`     // default 0.01
	Late       float64 `json:"late"`       // default 0.02
	Back       int     `json:"back"`       // how many original records back a copy reaches; default 20000

	Correlated float64 `json:"correlated"` // share of records, default 0.03
	Groups     int     `json:"groups"`     // of correlated records; 1 to 65536, default 24

	Targets int `json:"targets"` // of responses; at most 65536, default none
	Hits    int `json:"hits"`    // triggers for each target, default 3

	// AnyTime says that the times of the records do not follow the plan, so that nothing is
	// said about which of them are late.
	AnyTime bool `json:"any_time,omitempty"`
}

// Default returns the plan of a run of n records.
func Default(seed uint64, n int) Plan {
	return Plan{
		Seed: seed, Records: n, Keys: 1000, Duplicates: 0.2, Poison: 0.01, Late: 0.02, Back: 20_000,
		Correlated: 0.03, Groups: 24,
		Targets: min(n/100, 500), Hits: 3,
	}
}

// Validate checks the ranges.
func (p Plan) Validate() error {
	switch {
	case p.Records < 1:
		return fmt.Errorf("plan: %d records: want at least 1", p.Records)
	case p.Keys < 1 || p.Keys > 1<<16:
		return fmt.Errorf("plan: %d keys: want 1 to 65536", p.Keys)
	case min(p.Duplicates, p.Poison, p.Late, p.Correlated) < 0 || p.Duplicates+p.Poison+p.Late+p.Correlated > 0.9:
		return errors.New("plan: the shares of duplicate, poison, late and correlated records must be positive and at most 0.9 together")
	case p.Back < 1:
		return fmt.Errorf("plan: copies reach %d records back: want at least 1", p.Back)
	case p.Correlated > 0 && (p.Groups < 1 || p.Groups > 1<<16):
		return fmt.Errorf("plan: %d groups of correlated records: want 1 to 65536", p.Groups)
	case p.Targets < 0 || p.Targets > 1<<16 || p.Targets > 0 && p.Hits < 1:
		return fmt.Errorf("plan: %d targets with %d hits: want 0 to 65536 with at least 1", p.Targets, p.Hits)
	case p.Targets*p.Hits > p.Records:
		return fmt.Errorf("plan: %d triggers do not fit into %d records", p.Targets*p.Hits, p.Records)
	}
	return nil
}
