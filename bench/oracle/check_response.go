package oracle

// signals checks that each trigger made one signal of the rule, each correlated record one
// for each correlation that looks at it, and that no signal of any rule is there twice or
// belongs to no event.
func (j *judge) signals() {
	seen := map[string]bool{}
	count, fed := make([]int, len(j.truth.Entries)), make([]int, len(j.truth.Entries))
	type match struct{ event, rule, step string }
	matches := map[match]bool{}
	for _, s := range j.seen.Signals {
		m := match{s.Event, s.Rule, s.Step}
		if seen[s.ID] || matches[m] {
			j.found(&j.Doubled, 1, "signal %s of rule %s lies on signals twice, here at %v", s.ID, s.Rule, s.Position)
			continue
		}
		seen[s.ID], matches[m] = true, true
		seq, ok := j.firstOf[s.Event]
		if !ok {
			j.found(&j.Doubled, 1, "signal %v of rule %s belongs to event %s, which is not there", s.Position, s.Rule, s.Event)
			continue
		}
		j.signalOf[s.ID] = seq
		switch {
		case s.Rule == j.expect.Rule && s.Step == "":
			count[seq-1]++
		case s.Rule == j.truth.entry(seq).Rule && s.Step != "":
			fed[seq-1]++
		}
	}
	j.fed(fed)
	if j.expect.Rule == "" {
		return
	}
	for i, n := range count {
		switch e := &j.truth.Entries[i]; {
		case e.Class == Trigger && n == 0:
			j.found(&j.Lost, 1, "record %d, a trigger for %s, made no signal", e.Seq, e.Target)
		case e.Class != Trigger && n > 0:
			j.found(&j.Doubled, n, "record %d, a %v, made a signal of rule %s", e.Seq, e.Class, j.expect.Rule)
		}
	}
}

// fed checks how many signals went to correlations, by record.
func (j *judge) fed(got []int) {
	if len(j.expect.Correlations) == 0 {
		return
	}
	want := map[string]int{}
	for _, c := range j.expect.Correlations {
		for _, rule := range c.Rules {
			want[rule]++
		}
	}
	for i, n := range got {
		e := &j.truth.Entries[i]
		switch want := want[e.Rule]; {
		case n < want:
			j.found(&j.Lost, want-n, "record %d, of %s, made %d signals for correlations, want %d", e.Seq, e.Rule, n, want)
		case n > want:
			j.found(&j.Doubled, n-want, "record %d, of %s, made %d signals for correlations, want %d", e.Seq, e.Rule, n, want)
		}
	}
}

// intents checks that each target has one intent of the action, and that no revision of
// an intent was published twice.
func (j *judge) intents() {
	type revision struct {
		id   string
		want string
		n    uint64
	}
	published := map[revision]bool{}
	of := map[string]map[string]bool{} // ids by target
	for _, i := range j.seen.Intents {
		r := revision{i.ID, i.Want, i.Revision}
		if published[r] {
			j.found(&j.Doubled, 1, "intent %s: revision %d lies on intents twice, here at %v", i.ID, i.Revision, i.Position)
		}
		published[r] = true
		if i.Action != j.expect.Action {
			continue
		}
		if of[i.Target] == nil {
			of[i.Target] = map[string]bool{}
		}
		of[i.Target][i.ID] = true
	}
	if j.expect.Action == "" {
		return
	}
	for target := range j.triggers() {
		switch n := len(of[target]); {
		case n == 0:
			j.found(&j.Lost, 1, "target %s has no intent to %s", target, j.expect.Action)
		case n > 1:
			j.found(&j.Doubled, n-1, "target %s has %d intents to %s", target, n, j.expect.Action)
		}
	}
}

// effects checks what the vendor did: nothing under the same key twice, and the expected
// action once for each target. Requests that the vendor recognised as repetitions are no
// effects.
func (j *judge) effects() {
	keys := map[string]int{}
	of := map[string]int{}
	for _, e := range j.seen.Effects {
		if e.Repeated {
			continue
		}
		if keys[e.Key]++; keys[e.Key] > 1 {
			j.found(&j.EffectsDoubled, 1, "the vendor did %s to %s %d times under the key %s", e.Action, e.Target, keys[e.Key], e.Key)
		} else if e.Verb == "apply" && e.Action == j.expect.Action {
			of[e.Target]++
		}
	}
	if j.expect.Action == "" {
		return
	}
	for target := range j.triggers() {
		switch n := of[target]; {
		case n == 0:
			j.found(&j.Lost, 1, "the vendor never did %s to %s", j.expect.Action, target)
		case n > 1:
			j.found(&j.EffectsDoubled, n-1, "the vendor did %s to %s %d times", j.expect.Action, target, n)
		}
	}
}

// rows checks that the rows of ClickHouse are the committed records, as multisets.
func (j *judge) rows() {
	if !j.seen.RowsRead {
		return
	}
	rows := make(map[Position]int, len(j.seen.Rows))
	for _, p := range j.seen.Rows {
		rows[p]++
	}
	for _, p := range j.seen.Committed {
		switch n := rows[p]; {
		case n == 0:
			j.found(&j.ClickHouseMissing, 1, "ClickHouse has no row of %v", p)
		case n > 1:
			j.found(&j.ClickHouseDoubled, n-1, "ClickHouse has %d rows of %v", n, p)
		}
		delete(rows, p)
	}
	for p, n := range rows {
		j.found(&j.ClickHouseDoubled, n, "ClickHouse has a row of %v, where nothing is committed", p)
	}
}
