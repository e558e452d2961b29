package main

import (
	"context"
	"errors"
	"time"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
)

// watch follows a running pipeline for a person: a line every few seconds, and once there
// is something to see, what to look at next.
type watch struct {
	app    *app
	store  *clickhouse.Store
	worker *assembly.Worker
	dsn    string

	live  int64 // events at the last line
	at    time.Time
	shown bool // what to look at next was printed
	began time.Time
}

func newWatch(a *app, store *clickhouse.Store, w *assembly.Worker, dsn string) *watch {
	now := time.Now()
	return &watch{app: a, store: store, worker: w, dsn: dsn, at: now, began: now}
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
		now.Format(time.TimeOnly), count(r["events"]), rate, in.Duplicate, count(r["rejects"]), count(r["signals"]),
		count(r["alerts"]), count(r["incidents"]), count(r["intents"]), count(r["outcomes"]), count(r["leases"]))
}

// hints prints what to look at, once responses are in place or enough time has passed.
func (w *watch) hints(ctx context.Context, say func(string, ...any)) {
	funnel, err := runReport(ctx, w.store, "funnel", nil)
	if err != nil || len(funnel.Rows) == 0 {
		return
	}
	late := time.Since(w.began) > hintsAfter
	if count(funnel.Rows[0]["leases"]) == 0 && !late || count(funnel.Rows[0]["incidents"]) == 0 {
		return
	}
	w.shown = true
	params := map[string]string{"asof": time.Now().UTC().Format(timeLayout), "most": "5", "by": "priority"}
	var s summary
	for _, name := range []string{"queue", "mttd", "mttr"} {
		blk, err := runReport(ctx, w.store, name, params)
		if err != nil {
			say("%s: %v", name, err)
			return
		}
		s.Reports = append(s.Reports, blk)
	}
	say("")
	if err := w.app.printReports(s, formatTable); err != nil {
		return
	}
	say("\nlook next:\n"+
		"  riposte report --clickhouse %[1]s\n"+
		"  riposte report rules --clickhouse %[1]s\n"+
		"  clickhouse client, or any other, at %[1]s:\n"+
		"    SELECT at, kind, summary FROM riposte.facts ORDER BY at DESC LIMIT 20\n"+
		"Ctrl-C stops; the next start carries on\n", w.dsn)
}
