package run

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the metrics of all lanes, executors and recorders of a process. Make one per
// registry and share it. It is safe for concurrent use.
type Metrics struct {
	reg prometheus.Registerer

	records, bytes, rejected                 *prometheus.CounterVec
	outputs, transactions, sessions, retries *prometheus.CounterVec
	poison, snapshots, warmups, counted      *prometheus.CounterVec
	interval, lag, partitions, paused        *prometheus.GaugeVec
	refused, waiting, stateBytes             *prometheus.GaugeVec
	endSeconds, processSeconds, restoreTime  *prometheus.HistogramVec
	calls                                    *prometheus.CounterVec
	callsRunning                             *prometheus.GaugeVec
	callSeconds                              *prometheus.HistogramVec
	rows, inserts                            *prometheus.CounterVec
	insertSeconds                            *prometheus.HistogramVec
}

// metric is one line of the table of metrics. The type of at decides the type.
type metric struct {
	at     any
	name   string
	help   string
	labels []string
}

func (m *Metrics) table() []metric {
	stage := []string{"stage"}
	with := func(more ...string) []string { return append([]string{"stage"}, more...) }
	return []metric{
		{&m.records, "riposte_run_records_total", "Records of committed transactions by fate (read, live, duplicate, rejected, late, skewed). If read stops rising while lag rises, look at riposte_run_sessions_total.", with("fate")},
		{&m.bytes, "riposte_run_read_bytes_total", "Bytes of the record values of committed transactions.", stage},
		{&m.rejected, "riposte_run_rejected_total", "Records put on the rejects topic, by reason. When it rises: riposte rejects list.", with("reason")},
		{&m.outputs, "riposte_run_outputs_total", "Records produced in committed transactions, by topic.", with("topic")},
		{&m.transactions, "riposte_run_transactions_total", "Transactions by result (committed, aborted, uncertain). Aborts come with rebalances; a steady rate of them means that work is done twice.", with("result")},
		{&m.sessions, "riposte_run_sessions_total", "Sessions with Kafka that a lane had to start, by the reason the last one ended. More than the restarts of the process means trouble with the brokers.", with("reason")},
		{&m.retries, "riposte_run_retries_total", "Work tried again after a fault, by reason.", with("reason")},
		{&m.poison, "riposte_run_poison_total", "Records that made the stage fail three times and were rejected. Each one is a bug: the record is on the rejects topic.", stage},
		{&m.snapshots, "riposte_run_snapshots_total", "Snapshots of state written.", stage},
		{&m.warmups, "riposte_run_warmups_total", "Rules whose state was made anew after an edit, by result: warm (from the log), short (the log, or correlate.warm_up, does not reach back far enough), cold (the log does not hold what the rule reads). Until a window has passed the last two may miss what began before.", with("result")},
		{&m.counted, "riposte_run_stage_total", "What a stage counts by itself. Of ingest: shed rising means that a partition sees more events than it can remember for a day, so that repeats come through; clashes, that vendor ids are not unique. Of correlate: evicted and forgotten rising means that correlate.budget is too small for what comes in; no_rule, no_value and old_form, that signals and correlations do not fit.", with("what")},
		{&m.interval, "riposte_run_interval_seconds", "Time between the ends of transactions at present. At its upper end the lane is catching up.", with("lane")},
		{&m.lag, "riposte_run_lag_records", "Records behind the end of the input, as of the last fetch.", with("lane")},
		{&m.partitions, "riposte_run_partitions", "Partitions that the lane serves.", with("lane")},
		{&m.waiting, "riposte_run_waiting_partitions", "Partitions that the lane was given and does not serve yet. Above zero for minutes, a transaction hangs: see docs/operations.md.", with("lane")},
		{&m.paused, "riposte_run_paused_partitions", "Partitions paused because their state or their calls take too much memory.", with("lane")},
		{&m.refused, "riposte_run_refused_partitions", "Partitions that are not served because their state is unusable. Must be zero: see the log for what to do.", with("lane")},
		{&m.stateBytes, "riposte_run_state_bytes", "Memory that the state of the lane's partitions takes.", with("lane")},
		{&m.endSeconds, "riposte_run_end_seconds", "Time that ending a transaction took. It sets the pace when it rises above the interval.", stage},
		{&m.processSeconds, "riposte_run_process_seconds", "Time that the stage took for a batch.", stage},
		{&m.restoreTime, "riposte_run_restore_seconds", "Time to restore the state of newly assigned partitions.", stage},
		{&m.calls, "riposte_run_calls_total", "Calls to connectors by operation and fault. unknown needs a person; retry while connectors are well means that the consumer group does not confirm our membership.", with("connector", "op", "fault")},
		{&m.callsRunning, "riposte_run_calls_running", "Calls to connectors that run now.", stage},
		{&m.callSeconds, "riposte_run_call_seconds", "Time that a call to a connector took.", with("connector")},
		{&m.rows, "riposte_run_recorded_records_total", "Records inserted into the row store, by topic.", []string{"topic"}},
		{&m.inserts, "riposte_run_inserts_total", "Blocks sent to the row store by result (ok, retry, unknown, stop). retry rising means the store is away: records wait in Kafka.", []string{"topic", "result"}},
		{&m.insertSeconds, "riposte_run_insert_seconds", "Time that one insert took.", []string{"topic"}},
	}
}

// NewMetrics makes the metrics and registers them. A nil reg keeps them to themselves. It
// panics if reg has them already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{reg: reg}
	buckets := prometheus.ExponentialBuckets(0.0005, 2, 17)
	for _, d := range m.table() {
		var c prometheus.Collector
		switch at := d.at.(type) {
		case **prometheus.CounterVec:
			*at = prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.name, Help: d.help}, d.labels)
			c = *at
		case **prometheus.GaugeVec:
			*at = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.name, Help: d.help}, d.labels)
			c = *at
		case **prometheus.HistogramVec:
			*at = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.name, Help: d.help, Buckets: buckets}, d.labels)
			c = *at
		}
		if reg != nil {
			reg.MustRegister(c)
		}
	}
	return m
}

// count adds what a committed transaction did.
func (m *Metrics) count(stage string, s *Stats) {
	m.transactions.WithLabelValues(stage, "committed").Inc()
	for _, c := range []struct {
		fate string
		n    int64
	}{
		{"read", s.Read},
		{"live", s.Live},
		{"duplicate", s.Duplicate},
		{"rejected", s.Rejected},
		{"late", s.Late},
		{"skewed", s.Skewed},
	} {
		if c.n > 0 {
			m.records.WithLabelValues(stage, c.fate).Add(float64(c.n))
		}
	}
	m.bytes.WithLabelValues(stage).Add(float64(s.Bytes))
	for topic, n := range s.Outputs {
		m.outputs.WithLabelValues(stage, topic).Add(float64(n))
	}
	for reason, n := range s.RejectReasons {
		m.rejected.WithLabelValues(stage, reason).Add(float64(n))
	}
	if n := s.RejectReasons[ReasonPoison]; n > 0 {
		m.poison.WithLabelValues(stage).Add(float64(n))
	}
}
