package oracle

import (
	"cmp"
	"slices"
	"strings"
)

// accounts checks the books of ingest: the accounts of a raw partition neither overlap nor
// repeat, each adds up, and together they count what lies on the partition.
func (j *judge) accounts() {
	type partition struct {
		topic string
		id    int32
	}
	books := map[partition][]Account{}
	for _, a := range j.seen.Accounts {
		if a.Stage == "ingest" && strings.HasPrefix(a.From.Topic, "raw.") {
			p := partition{a.From.Topic, a.From.Partition}
			books[p] = append(books[p], a)
		}
	}
	want := map[partition]*Account{}
	for _, r := range j.seen.Raw {
		p := partition{r.Topic, r.Partition}
		w := want[p]
		if w == nil {
			w = new(Account)
			want[p] = w
		}
		w.Records++
		switch e := j.truth.entry(r.Seq); {
		case e == nil:
		case e.Class == Duplicate:
			w.Duplicate++
		case e.Class == Poison:
			w.Rejected++
		default:
			w.Live++
		}
	}
	for p, w := range want {
		got := j.sum(books[p])
		if got.Records != w.Records || got.Live != w.Live || got.Duplicate != w.Duplicate || got.Rejected != w.Rejected {
			j.found(&j.Miscounted, 1, "accounts of %s/%d: read %d, live %d, duplicate %d, rejected %d; want %d, %d, %d, %d", p.topic, p.id,
				got.Records, got.Live, got.Duplicate, got.Rejected, w.Records, w.Live, w.Duplicate, w.Rejected)
		}
	}
}

// sum adds up the accounts of one partition and reports those that overlap or do not add up.
func (j *judge) sum(accounts []Account) (total Account) {
	slices.SortFunc(accounts, func(a, b Account) int { return cmp.Compare(a.From.Offset, b.From.Offset) })
	next := int64(0)
	for _, a := range accounts {
		if a.Records != a.Live+a.Duplicate+a.Rejected {
			j.found(&j.Miscounted, 1, "account %v: read %d, which is not live %d + duplicate %d + rejected %d",
				a.Position, a.Records, a.Live, a.Duplicate, a.Rejected)
		}
		if a.From.Offset < next {
			j.found(&j.Miscounted, 1, "account %v of %s/%d begins at %d, where another ended at %d",
				a.Position, a.From.Topic, a.From.Partition, a.From.Offset, next)
		}
		next = max(next, a.To)
		total.Records += a.Records
		total.Live += a.Live
		total.Duplicate += a.Duplicate
		total.Rejected += a.Rejected
	}
	return total
}

// alerts checks that the episodes of a target counted each of its triggers once, and that
// no revision of an alert was published twice.
func (j *judge) alerts() {
	if j.expect.Rule == "" {
		return
	}
	type revision struct {
		id string
		n  uint64
	}
	published := map[revision]bool{}
	folded := map[string]int{} // by alert
	targets := map[string]string{}
	want := j.triggers()
	for _, a := range j.seen.Alerts {
		if published[revision{a.ID, a.Revision}] {
			j.found(&j.Doubled, 1, "alert %s: revision %d lies on facts twice, here at %v", a.ID, a.Revision, a.Position)
		}
		published[revision{a.ID, a.Revision}] = true
		if a.Rule != j.expect.Rule {
			continue
		}
		folded[a.ID] = max(folded[a.ID], a.Signals)
		for _, v := range a.Values {
			if _, ok := want[v]; ok {
				targets[a.ID] = v
			}
		}
	}
	got := map[string]int{}
	for id, n := range folded {
		got[targets[id]] += n
	}
	for target, n := range want {
		if got[target] != n {
			j.found(&j.Miscounted, 1, "alerts about %s folded %d signals, want %d", target, got[target], n)
		}
	}
}

// triggers counts the triggers of each target.
func (j *judge) triggers() map[string]int {
	n := map[string]int{}
	for i := range j.truth.Entries {
		if e := &j.truth.Entries[i]; e.Class == Trigger {
			n[e.Target]++
		}
	}
	return n
}
