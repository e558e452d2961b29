package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/riposte-sec/riposte/pipeline"
)

// huntTimeout bounds one query of a hunt, which reads days of events on two threads.
const huntTimeout = 10 * time.Minute

// Hunt returns what recorded events say of the values of h, sorted by value and victim. Of
// one value and victim there is one sighting. At most 10,000 are returned.
func (s *Store) Hunt(ctx context.Context, h pipeline.Hunt) ([]pipeline.Sighting, error) {
	values := slices.Concat(h.Values, h.Domains)
	more, err := s.huntValues(ctx, h)
	if err != nil {
		return nil, err
	}
	values = append(values, more...)
	slices.Sort(values)
	values = slices.Compact(values)
	if len(values) == 0 {
		return nil, nil
	}
	res, err := s.run(ctx, "retro", map[string]string{
		"tenant": h.Tenant, "from": huntTime(h.From), "until": huntTime(h.Until), "values": hexList(values), "rules": textList(h.Rules),
	}, huntTimeout)
	if err != nil {
		return nil, err
	}
	out := make([]pipeline.Sighting, 0, len(res.Rows))
	for _, row := range res.Rows {
		g, err := sighting(row)
		if err != nil {
			return nil, fmt.Errorf("clickhouse: query retro: %w", err)
		}
		out = append(out, g)
	}
	return out, nil
}

// huntValues finds the addresses of the networks, and the names below the domains, that were
// seen at all.
func (s *Store) huntValues(ctx context.Context, h pipeline.Hunt) ([]string, error) {
	if len(h.Networks)+len(h.Domains) == 0 {
		return nil, nil
	}
	var lows, highs []string
	for _, n := range h.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return nil, fmt.Errorf("clickhouse: hunt: %w", err)
		}
		low, high := bounds(p)
		lows, highs = append(lows, low), append(highs, high)
	}
	res, err := s.run(ctx, "retro_values", map[string]string{
		"tenant": h.Tenant, "from": huntTime(h.From)[:10], "until": huntTime(h.Until)[:10],
		"lows": hexList(lows), "highs": hexList(highs), "domains": hexList(h.Domains),
	}, huntTimeout)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, row := range res.Rows {
		v, ok := row[0].(string)
		if !ok {
			return nil, fmt.Errorf("clickhouse: query retro_values: a value of type %T", row[0])
		}
		out = append(out, v)
	}
	return out, nil
}

// bounds are the first and the last address of a prefix, IPv4 as it is stored.
func bounds(p netip.Prefix) (low, high string) {
	first := p.Masked().Addr().As16()
	last := first
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		last[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom16(first).String(), netip.AddrFrom16(last).String()
}

func huntTime(m pipeline.Millis) string { return m.Time().Format("2006-01-02 15:04:05.000") }

// hexList writes texts of anybody's choice as an array literal that nothing can escape.
func hexList(list []string) string {
	enc := make([]string, len(list))
	for i, s := range list {
		enc[i] = hex.EncodeToString([]byte(s))
	}
	return textList(enc)
}

// textList writes texts without quotes and backslashes as an array literal.
func textList(list []string) string {
	if len(list) == 0 {
		return "[]"
	}
	return "['" + strings.Join(list, "','") + "']"
}

// sighting reads a row of the query retro.
func sighting(row []any) (pipeline.Sighting, error) {
	var g pipeline.Sighting
	texts := make([]string, 7)
	for i := range texts {
		s, ok := row[i].(string)
		if !ok {
			return g, fmt.Errorf("column %d is a %T", i, row[i])
		}
		texts[i] = s
	}
	sources, ok1 := row[7].([]string)
	events, ok2 := row[8].(uint64)
	first, ok3 := row[9].(time.Time)
	last, ok4 := row[10].(time.Time)
	event, ok5 := row[11].(uuid.UUID)
	seen, ok6 := row[12].(time.Time)
	demo, ok7 := row[13].(uint8)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || !ok7 {
		return g, fmt.Errorf("columns of other types than they should be: %T", row)
	}
	g = pipeline.Sighting{
		Value: texts[0], Victim: pipeline.EntityValue{Kind: texts[1], Value: texts[2], Role: "device"}, Sources: sources,
		Events: uint32(min(events, 1<<32-1)), First: pipeline.MillisOf(first), Last: pipeline.MillisOf(last),
		Event: pipeline.ID(event), Ingested: pipeline.MillisOf(seen), Demo: demo != 0,
	}
	for _, e := range []pipeline.EntityValue{
		{Kind: "host", Value: texts[3], Role: "device"},
		{Kind: "user", Value: texts[4], Role: "user"},
		{Kind: "ip", Value: texts[5], Role: "src"},
		{Kind: "ip", Value: texts[6], Role: "dst"},
	} {
		if e.Value != "" && (e.Kind != g.Victim.Kind || e.Value != g.Victim.Value) {
			g.Entities = append(g.Entities, e)
		}
	}
	return g, nil
}
