package assembly

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/riposte-sec/riposte/policies/engine"
)

// watched is a policy that OPA's interpreter judges.
type watched interface {
	Stats() engine.Stats
	Distrusted() []string
	Report() engine.Report
}

// Reports says what the policy engine made of each policy, by the policy's name.
func (p *Policies) Reports() map[string]engine.Report {
	out := map[string]engine.Report{}
	for name, w := range p.watched {
		out[name] = w.Report()
	}
	return out
}

// metric is one line of the table of metrics; each has the label policy.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	value      func(watched) uint64
}

func metrics() []metric {
	const counter, gauge = prometheus.CounterValue, prometheus.GaugeValue
	return []metric{
		{"riposte_engine_judged_total", "Events and decisions that OPA's interpreter repeated to judge the policy engine.", counter, func(w watched) uint64 { return w.Stats().Judged }},
		{"riposte_engine_differences_total", "Results of the policy engine that differed from OPA's. Any is a bug of the engine: OPA's result counts, the log has the event and both. See docs/operations.md.", counter, func(w watched) uint64 { return w.Stats().Differences }},
		{"riposte_engine_topdown_total", "Events and decisions that OPA's interpreter answered, wholly or for some rules, because the engine could not or is not trusted with them. When it rises the stage is slower: look at riposte_engine_distrusted_entries and for rules that fail.", counter, func(w watched) uint64 { return w.Stats().Topdown }},
		{"riposte_engine_distrusted_entries", "Rules and documents that only OPA's interpreter answers, since the engine differed on them or gave up, until a restart or another bundle.", gauge, func(w watched) uint64 { return uint64(len(w.Distrusted())) }},
	}
}

// Collector returns the metrics of how the policies are evaluated. Register it once.
func (p *Policies) Collector() prometheus.Collector { return collector{p.watched} }

type collector struct{ policies map[string]watched }

func (m *metric) desc() *prometheus.Desc {
	return prometheus.NewDesc(m.name, m.help, []string{"policy"}, nil)
}

// Describe implements [prometheus.Collector].
func (collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range metrics() {
		out <- m.desc()
	}
}

// Collect implements [prometheus.Collector].
func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, m := range metrics() {
		for _, name := range slices.Sorted(maps.Keys(c.policies)) {
			out <- prometheus.MustNewConstMetric(m.desc(), m.kind, float64(m.value(c.policies[name])), name)
		}
	}
}
