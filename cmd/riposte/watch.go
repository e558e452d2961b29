package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/schemas"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
)

// watch follows a running pipeline for a person: a line every few seconds, and once there
// is something to see, what to look at next.
type watch struct {
	app    *app
	store  *clickhouse.Store
	worker *assembly.Worker
	dsn    string
	kafka  string // host:port

	live  int64 // events at the last line
	at    time.Time
	shown bool // what to look at next was printed
	began time.Time
}

func newWatch(a *app, s *stack, w *assembly.Worker) *watch {
	now := time.Now()
	return &watch{app: a, store: s.store, worker: w, dsn: s.dsn(), kafka: s.broker.Addr(), at: now, began: now}
}

// watchEvery is the pace of the lines, and hintsAfter when the hints come at the latest.
const (
	watchEvery = 5 * time.Second
	hintsAfter = 75 * time.Second
)

// follow prints until ctx is done, the worker ended, or, with --once, everything fed is
// done.
func (w *watch) follow(ctx context.Context, ended, fed chan error, f upFlags, say func(string, ...any)) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	drained := make(chan error, 1)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			ended <- err
			return err
		case err := <-fed:
			if err != nil {
				return err
			}
			fed = nil
			if f.once {
				go func() { drained <- w.worker.Drained(ctx) }()
			}
		case err := <-drained:
			return errors.Join(err, w.worker.Refused())
		case <-tick.C:
			w.line(ctx, say)
			if err := w.worker.Refused(); err != nil && f.once {
				return err // it would wait for ever
			}
			if !f.once && !w.shown {
				w.hints(ctx, say)
			}
		}
	}
}

// line prints where the pipeline is.
func (w *watch) line(ctx context.Context, say func(string, ...any)) {
	in := w.worker.Stats()[assembly.StageIngest]
	now := time.Now()
	rate := float64(in.Live-w.live) / now.Sub(w.at).Seconds()
	w.live, w.at = in.Live, now
	rows, err := runReport(ctx, w.store, "funnel", nil)
	if err != nil || len(rows.Rows) == 0 {
		say("%s  events %d (%.0f/s); ClickHouse does not answer: %v", now.Format(time.TimeOnly), in.Live, rate, err)
		return
	}
	r := rows.Rows[0]
	say("%s  events %d (%.0f/s)  duplicates %d  rejects %d  signals %d  alerts %d  incidents %d  intents %d  outcomes %d  in place %d",
		now.Format(time.TimeOnly), count(r["events"]), rate, count(r["duplicate"]), count(r["rejects"]), count(r["signals"]),
		count(r["alerts"]), count(r["incidents"]), count(r["intents"]), count(r["outcomes"]), count(r["leases"]))
}

// hints prints what there is to see and how to see more, once an incident is contained or
// enough time has passed.
func (w *watch) hints(ctx context.Context, say func(string, ...any)) {
	params := map[string]string{"asof": time.Now().UTC().Format(timeLayout), "most": "5", "by": "priority"}
	s := summary{by: params["by"]}
	for _, name := range []string{"queue", "mttd", "mttr", example} {
		blk, err := runReport(ctx, w.store, name, params)
		if err != nil {
			return // it is tried again
		}
		s.Reports = append(s.Reports, blk)
	}
	queue, mttr, last := s.Reports[0], s.Reports[2], len(s.Reports)-1
	contained := slices.ContainsFunc(mttr.Rows, func(r map[string]any) bool { return count(r["done"]) > 0 })
	if len(queue.Rows) == 0 || !contained && time.Since(w.began) < hintsAfter {
		return
	}
	queries, err := schemas.Queries()
	if err != nil {
		return
	}
	w.shown = true
	answer := summary{Reports: s.Reports[last:]}
	s.Reports = s.Reports[:last]
	say("")
	if err := w.app.printReports(s, formatTable); err != nil {
		return
	}
	say("\nSQL, with any client at %s, for example:\n\n%s\n", w.dsn, queries[example].SQL)
	if err := w.app.printReports(answer, formatTable); err != nil {
		return
	}
	say("\nlook next:\n"+
		"  what the first incident of the queue learned, and what was done:\n"+
		"    %[1]s report timeline --incident %[2]v --clickhouse %[3]s\n"+
		"  time to detect and to respond, automation, backlog; --help lists more:\n"+
		"    %[1]s report --clickhouse %[3]s\n"+
		"  input that could not be processed, and why:\n"+
		"    %[1]s rejects list --brokers %[4]s\n"+
		"  events of your own:\n"+
		"    %[1]s feed FILE --source suricata --brokers %[4]s\n"+
		"Ctrl-C stops; the next start carries on with the data that is there\n",
		os.Args[0], queue.Rows[0]["incident_id"], w.dsn, w.kafka)
}

// example is the named query that is shown with its text and its answer.
const example = "latest"
