package main

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/riposte-sec/riposte/sinks/clickhouse"
)

// account is what became of the input: the document of `riposte up --once --format json`.
// All numbers are of the whole data directory, read from ClickHouse after everything
// drained, but for the last two, which are of this process and its child.
type account struct {
	Read        uint64   `json:"read"` // = live + duplicate + rejected
	Live        uint64   `json:"live"`
	Duplicate   uint64   `json:"duplicate"`
	Rejected    uint64   `json:"rejected"`
	Signals     uint64   `json:"signals"`
	Alerts      uint64   `json:"alerts"`
	Incidents   uint64   `json:"incidents"`
	Intents     uint64   `json:"intents"`
	Outcomes    uint64   `json:"outcomes"`
	MTTD        *float64 `json:"mttd_p50_s"` // null: no incident
	MTTR        *float64 `json:"mttr_p50_s"` // null: not reached, more than half are open, or none wanted containing
	WallSeconds float64  `json:"wall_s"`
	CPUSeconds  float64  `json:"cpu_s"`
}

// takeAccount reads the account from ClickHouse.
func takeAccount(ctx context.Context, store *clickhouse.Store) (account, error) {
	var a account
	sums, err := runReport(ctx, store, "accounts", nil)
	if err != nil {
		return a, err
	}
	for _, r := range sums.Rows {
		a.Read += count(r["records"])
		a.Live += count(r["live"])
		a.Duplicate += count(r["duplicate"])
		a.Rejected += count(r["rejected"])
	}
	funnel, err := runReport(ctx, store, "funnel", nil)
	if err != nil {
		return a, err
	}
	for _, r := range funnel.Rows {
		a.Signals, a.Alerts, a.Incidents = count(r["signals"]), count(r["alerts"]), count(r["incidents"])
		a.Intents, a.Outcomes = count(r["intents"]), count(r["outcomes"])
	}
	a.MTTD, a.MTTR, err = medians(ctx, store)
	return a, err
}

// medians returns the median times to detect and to respond over all incidents.
func medians(ctx context.Context, store *clickhouse.Store) (mttd, mttr *float64, err error) {
	params := map[string]string{"asof": time.Now().UTC().Format(timeLayout), "by": "all"}
	for _, q := range []struct {
		name string
		into **float64
	}{{"mttd", &mttd}, {"mttr", &mttr}} {
		blk, err := runReport(ctx, store, q.name, params)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range blk.Rows {
			if v, ok := r["p50"].(float64); ok {
				v = round3(v)
				*q.into = &v
			}
		}
	}
	return mttd, mttr, nil
}

// count reads a count of any of the driver's integer types.
func count(v any) uint64 {
	switch v := v.(type) {
	case uint64:
		return v
	case uint32:
		return uint64(v)
	case int64:
		return uint64(max(v, 0))
	}
	return 0
}

func (a *app) printAccount(r account, format string) error {
	if r.Read != r.Live+r.Duplicate+r.Rejected {
		return fmt.Errorf("read %d is not live %d + duplicate %d + rejected %d: this is a bug of riposte", r.Read, r.Live, r.Duplicate, r.Rejected)
	}
	if format == formatJSON {
		return writeJSON(a.stdout, r)
	}
	s := sheet{columns: []string{"what", "count"}}
	for _, l := range []struct {
		name string
		n    uint64
	}{
		{"read", r.Read},
		{"  live", r.Live},
		{"  duplicate", r.Duplicate},
		{"  rejected", r.Rejected},
		{"signals", r.Signals},
		{"alerts", r.Alerts},
		{"incidents", r.Incidents},
		{"intents", r.Intents},
		{"outcomes", r.Outcomes},
	} {
		s.add(l.name, strconv.FormatUint(l.n, 10))
	}
	s.add("mttd p50", seconds(r.MTTD))
	s.add("mttr p50", seconds(r.MTTR))
	s.add("wall", fmt.Sprintf("%.1f s", r.WallSeconds))
	s.add("cpu", fmt.Sprintf("%.1f s", r.CPUSeconds))
	return s.write(a.stdout, formatTable)
}

func seconds(v *float64) string {
	if v == nil {
		return "not yet"
	}
	return fmt.Sprintf("%.1f s", *v)
}

func round3(v float64) float64 { return float64(int64(v*1000+0.5)) / 1000 }

// cpuSeconds is the processor time of this process and of its children that have ended.
func cpuSeconds() float64 {
	total := 0.0
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
		}
	}
	return total
}
