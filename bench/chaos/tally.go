package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/riposte-sec/riposte/internal/crash"
)

// tally is what the summaries of a results file add up to.
type tally struct {
	runs   int
	kills  map[string]int // by broker
	clean  map[string]int // those of them in runs without faults
	judged map[string]int // and of these, in runs that were judged by episodes too
	kinds  map[string]int // by who was killed at random, or at which crash point
	off    []string       // summaries of runs with faults
}

// faults are the counters of a summary that must be zero.
var faults = []string{
	"lost", "doubled", "effects_doubled", "clickhouse_missing", "clickhouse_doubled",
	"altered", "misordered", "miscounted", "episodes_missing", "episodes_extra",
}

// printTally adds up a results file and prints the sums.
func printTally(path string, out io.Writer) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	t := tally{kills: map[string]int{}, clean: map[string]int{}, judged: map[string]int{}, kinds: map[string]int{}}
	for line := range strings.Lines(string(text)) {
		if err := t.add(strings.TrimSpace(line)); err != nil {
			return fmt.Errorf("%s: %w in %q", path, err, line)
		}
	}
	t.print(out)
	return nil
}

// add takes one summary into account. Other lines are passed over.
func (t *tally) add(line string) error {
	_, text, found := strings.Cut(line, "oracle: ")
	if !found {
		return nil
	}
	text, kinds, _ := strings.Cut(text, ";")
	summary := pairs(text)
	n, err := strconv.Atoi(summary["kills"])
	if err != nil {
		return fmt.Errorf("kills: %w", err)
	}
	t.runs++
	t.kills[summary["broker"]] += n
	_, judged := summary["episodes"]
	switch {
	case slices.ContainsFunc(faults, func(name string) bool { return summary[name] != "" && summary[name] != "0" }):
		t.off = append(t.off, line)
	case judged:
		t.judged[summary["broker"]] += n
		fallthrough
	default:
		t.clean[summary["broker"]] += n
	}
	for kind, text := range pairs(kinds) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		t.kinds[kind] += n
	}
	return nil
}

// pairs reads "name=value name=value ...".
func pairs(text string) map[string]string {
	m := map[string]string{}
	for field := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(field, "=")
		m[name] = value
	}
	return m
}

func (t *tally) print(out io.Writer) {
	for _, broker := range slices.Sorted(maps.Keys(t.kills)) {
		fmt.Fprintf(out, "kills on %s: %d; %d in runs without faults, %d of them judged by episodes too\n", broker, t.kills[broker], t.clean[broker], t.judged[broker])
	}
	var points, random []string
	for _, p := range crash.Points() {
		points = append(points, fmt.Sprintf("%s=%d", p, t.kinds[p]))
		delete(t.kinds, p)
	}
	for _, kind := range slices.Sorted(maps.Keys(t.kinds)) {
		random = append(random, fmt.Sprintf("%s=%d", kind, t.kinds[kind]))
	}
	fmt.Fprintln(out, "kills at crash points:", strings.Join(points, " "))
	fmt.Fprintln(out, "kills at random:", strings.Join(random, " "))
	fmt.Fprintf(out, "runs: %d, with faults: %d\n", t.runs, len(t.off))
	for _, line := range t.off {
		fmt.Fprintln(out, "  ", line)
	}
}
