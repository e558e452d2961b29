package correlate

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/riposte-sec/riposte/pipeline"
)

// This file is a second, naive implementation of what doc.go says: it looks at the whole
// list of signals at once, again and again, and shares no code with the stage.

type episode struct {
	rule, group     string
	from, triggered pipeline.Millis
	trigger         pipeline.ID
	signals         int
	evidence        []pipeline.ID
}

func (e *episode) String() string {
	text := fmt.Sprintf("%s %s from %s triggered %s by %s, %d signals:", e.rule, e.group, e.from.Sub(epoch), e.triggered.Sub(epoch), e.trigger, e.signals)
	for _, id := range e.evidence {
		text += " " + id.String()[:8]
	}
	return text
}

func reference(set *Set, sigs []pipeline.Signal) []string {
	var out []string
	var above []pipeline.Signal // what the chain sees
	for _, c := range set.All() {
		if c.ID == "chain" {
			continue
		}
		for _, e := range referenceRule(c, sigs) {
			out = append(out, e.String())
			above = append(above, pipeline.Signal{
				ID: pipeline.HashID("reference", e.rule, e.String()), Event: pipeline.HashID("reference", e.String()),
				Rule: e.rule, Step: "chain", Group: []string{e.group}, At: e.triggered,
			})
		}
	}
	for _, e := range referenceRule(set.byID["chain"], above) {
		e.trigger, e.evidence = pipeline.ID{}, nil
		out = append(out, e.String())
	}
	slices.Sort(out)
	return out
}

func referenceRule(c *Correlation, sigs []pipeline.Signal) []episode {
	byGroup := map[string][]pipeline.Signal{}
	for _, s := range sigs {
		if s.Step != c.ID || !slices.Contains(c.Rules, s.Rule) {
			continue
		}
		g := s.Group[0]
		if c.Type == FirstSeen {
			g += "/" + s.Fields["v"]
		}
		byGroup[g] = append(byGroup[g], s)
	}
	var out []episode
	for g, list := range byGroup {
		slices.SortFunc(list, func(a, b pipeline.Signal) int {
			return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(slices.Index(c.Rules, a.Rule), slices.Index(c.Rules, b.Rule)), bytes.Compare(a.ID[:], b.ID[:]))
		})
		for _, e := range referenceGroup(c, list) {
			e.rule, e.group = c.ID, g
			out = append(out, e)
		}
	}
	return out
}

func referenceGroup(c *Correlation, list []pipeline.Signal) []episode {
	span := pipeline.Millis(c.Span.Milliseconds())
	switch c.Type {
	case ValueAvg:
		return referenceSpans(list, span, func(in []pipeline.Signal) bool {
			total := 0
			for _, s := range in {
				total += number(s)
			}
			return float64(total)/float64(len(in)) >= 5
		})
	case ValuePercentile:
		return referenceSpans(list, span, func(in []pipeline.Signal) bool {
			var all []int
			for _, s := range in {
				all = append(all, number(s))
			}
			slices.Sort(all)
			return all[(75*len(all)+99)/100-1] >= 8
		})
	case Absence:
		return referenceAbsence(list, span)
	default:
	}
	if c.ID == "unless" {
		return referenceSpans(list, span, func(in []pipeline.Signal) bool {
			has := func(rule string) bool {
				return slices.ContainsFunc(in, func(s pipeline.Signal) bool { return s.Rule == rule })
			}
			return has("a") && !has("b")
		})
	}
	var out []episode
	for from := 0; from < len(list); {
		to := from + 1
		for to < len(list) && list[to].At-list[to-1].At <= span {
			to++
		}
		for i := from; i < to; i++ {
			lo := from
			for list[i].At-list[lo].At > span {
				lo++
			}
			if start, ok := holds(c, list[lo:i+1]); ok {
				out = append(out, made(list[lo+start:to], list[i], list[i].At))
				break
			}
		}
		from = to
	}
	return out
}

func made(in []pipeline.Signal, trigger pipeline.Signal, triggered pipeline.Millis) episode {
	e := episode{from: in[0].At, trigger: trigger.ID, triggered: triggered, signals: len(in)}
	for _, s := range in[:min(len(in), 64)] {
		e.evidence = append(e.evidence, s.ID)
	}
	return e
}

func number(s pipeline.Signal) int {
	n, err := strconv.Atoi(s.Fields["n"])
	if err != nil {
		panic(err)
	}
	return n
}

// holds judges the window in, whose last signal is the one that came.
func holds(c *Correlation, in []pipeline.Signal) (start int, ok bool) {
	switch c.Type {
	case EventCount:
		return 0, len(in) >= 4
	case FirstSeen:
		return 0, true
	case ValueCount:
		seen := map[string]bool{}
		for _, s := range in {
			seen[s.Fields["v"]] = true
		}
		return 0, len(seen) >= 3
	case ValueSum:
		total := 0
		for _, s := range in {
			total += number(s)
		}
		return 0, total > 20
	case Temporal:
		seen := map[string]bool{}
		for _, s := range in {
			seen[s.Rule] = true
		}
		if c.ID == "kofn" {
			return 0, len(seen) >= 2
		}
		return 0, len(seen) == len(c.Rules)
	case TemporalOrdered:
		start = latestChain(in)
		return start, start >= 0
	case Risk:
		return 0, referenceScore(c, in) >= 35
	default:
		panic(c.Type)
	}
}

// latestChain tries every a, b, c that ends in the last signal.
func latestChain(in []pipeline.Signal) int {
	last := in[len(in)-1]
	if last.Rule != "c" {
		return -1
	}
	best := -1
	for i, a := range in {
		for _, b := range in[i+1:] {
			if a.Rule == "a" && b.Rule == "b" && a.Event != b.Event && b.Event != last.Event {
				best = max(best, i)
			}
		}
	}
	return best
}

func referenceScore(c *Correlation, in []pipeline.Signal) float64 {
	now := in[len(in)-1].At
	total, seen := 0.0, map[string]int{}
	for _, s := range slices.Backward(in) {
		age := now.Sub(s.At)
		total += 10 / math.Pow(2, float64(seen[s.Rule])) * math.Pow(2, -float64(age)/float64(c.HalfLife))
		seen[s.Rule]++
	}
	return total
}

func referenceSpans(list []pipeline.Signal, span pipeline.Millis, verdict func([]pipeline.Signal) bool) []episode {
	var out []episode
	var whole []pipeline.Signal // of the open episode
	var trigger pipeline.Signal
	finish := func() {
		if len(whole) > 0 {
			out = append(out, made(whole, trigger, trigger.At))
		}
		whole = nil
	}
	for len(list) > 0 {
		n := 0
		for n < len(list) && list[n].At <= list[0].At+span {
			n++
		}
		if verdict(list[:n]) {
			if len(whole) > 0 && list[0].At-whole[len(whole)-1].At > span {
				finish()
			}
			if len(whole) == 0 {
				trigger = list[n-1]
			}
			whole = append(whole, list[:n]...)
		}
		list = list[n:]
	}
	finish()
	return out
}

func referenceAbsence(list []pipeline.Signal, span pipeline.Millis) []episode {
	var alone []pipeline.Signal
	for i, s := range list {
		followed := slices.ContainsFunc(list[i+1:], func(o pipeline.Signal) bool { return o.Rule == "c" && o.At <= s.At+span })
		if s.Rule == "a" && !followed {
			alone = append(alone, s)
		}
	}
	var out []episode
	for from := 0; from < len(alone); {
		to := from + 1
		for to < len(alone) && alone[to].At-alone[to-1].At <= span {
			to++
		}
		out = append(out, made(alone[from:to], alone[from], alone[from].At+span))
		from = to
	}
	return out
}
