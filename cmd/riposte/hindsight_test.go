package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/policies"
)

// This file tests what riposte finds in events that came before it knew what to look for,
// with the whole program: the embedded Kafka and ClickHouse, killed in between.

// alertsOf returns the alerts of a rule that lie on the topic of facts, all revisions.
func alertsOf(t *testing.T, addr, rule string) []*pipeline.Alert {
	t.Helper()
	k := run.Kafka{Brokers: []string{addr}, Prefix: defaultConfig().Kafka.Prefix}
	var all []*pipeline.Alert
	err := run.Browse(t.Context(), k, pipeline.TopicFacts, func(_ int32, r *pipeline.Record) error {
		f, err := pipeline.DecodeFact(r.Value)
		if err == nil && f.Alert != nil && f.Alert.Rule == rule {
			all = append(all, f.Alert)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// awaitAlerts waits until n alerts of a rule, or revisions of them, were told.
func awaitAlerts(t *testing.T, addr, rule string, n int) []*pipeline.Alert {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		all := alertsOf(t, addr, rule)
		if len(all) >= n {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d alerts of %s within a minute, want %d", len(all), rule, n)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// serving starts the program over a data directory and returns the address of its Kafka.
func serving(t *testing.T, args ...string) (*process, string) {
	t.Helper()
	p := startUp(t, append(args, "--no-sample")...)
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(p.await(t, "Kafka "))
	p.await(t, "policies ")
	return p, addr
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // it was killed
}

func TestNewIndicatorOpensOneAlertForWhatWasRecordedBefore(t *testing.T) {
	t.Parallel()
	needClickHouse(t)
	dir, data := t.TempDir(), t.TempDir()
	var conns strings.Builder
	now := time.Now().Add(-time.Minute)
	for i, to := range []string{"203.0.113.66", "203.0.113.66", "203.0.113.67", "192.0.2.1"} {
		fmt.Fprintf(&conns, `{"_path":"conn","ts":%d.%d,"uid":"C%d","id.orig_h":"10.0.0.5","id.orig_p":4000%d,"id.resp_h":"%s","id.resp_p":443,"proto":"tcp","conn_state":"SF"}`+"\n", now.Unix(), i, i, i, to)
	}
	writeFile(t, filepath.Join(dir, "zeek", "conn.log"), conns.String())
	replayOnce(t, data, dir)
	load := func(addr, value string) {
		t.Helper()
		list := filepath.Join(t.TempDir(), "list.txt")
		writeFile(t, list, value+"\n")
		if r := invoke(t, "context", "load", list, "--brokers", addr, "--source", value, "--confidence", "90"); r.code != exitDone {
			t.Fatalf("load %s: %s%s", value, r.stdout, r.stderr)
		}
	}
	const rule = "known_bad_address"

	p, addr := serving(t, "--data", data)
	load(addr, "203.0.113.66")
	p.kill(t) // before the hunt is over
	p, addr = serving(t, "--data", data)
	first := awaitAlerts(t, addr, rule, 1)
	if a := first[0]; a.Signals != 2 || a.Group[0] != "203.0.113.66" || strings.Join(a.Flags, " ") != "retro" {
		t.Errorf("%+v: want the two events with 203.0.113.66, flagged retro", a)
	}
	p.kill(t)
	p, addr = serving(t, "--data", data)
	load(addr, "203.0.113.66") // nothing new
	load(addr, "203.0.113.67")
	all := awaitAlerts(t, addr, rule, 2)
	if len(all) != 2 || all[0].ID == all[1].ID || all[0].Group[0]+all[1].Group[0] != "203.0.113.66203.0.113.67" && all[0].Group[0]+all[1].Group[0] != "203.0.113.67203.0.113.66" {
		t.Errorf("after a restart and another indicator %+v, want one alert for each", all)
	}
	p.stop(t)
}

func TestNewCorrelationKnowsWhatHappenedBeforeIt(t *testing.T) {
	t.Parallel()
	needClickHouse(t)
	dir, data, folder := t.TempDir(), t.TempDir(), t.TempDir()
	start := time.Now().Add(-2 * time.Minute)
	logins := func(file string, from, to int) {
		t.Helper()
		var b strings.Builder
		for i := from; i < to; i++ {
			fmt.Fprintf(&b, `{"uuid":"l%d","published":"%s","eventType":"user.session.start","severity":"INFO","actor":{"id":"00u1","type":"User","alternateId":"u%d@example.com"},"client":{"ipAddress":"203.0.113.8"},"outcome":{"result":"FAILURE","reason":"INVALID_CREDENTIALS"}}`+"\n",
				i, start.Add(time.Duration(i)*time.Second).UTC().Format(time.RFC3339), i)
		}
		writeFile(t, filepath.Join(dir, "okta", file), b.String())
	}
	logins("1.jsonl", 0, 4)
	if got := replayOnce(t, data, dir); got.Signals == 0 || got.Alerts != 0 {
		t.Fatalf("before there is a rule: %+v, want signals and no alert", got)
	}
	if err := os.CopyFS(folder, policies.FS); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "correlations", "few_users.yml"), `title: A few users
id: few_users
level: medium
correlation:
  type: value_count
  rules: [login_failed]
  group-by: [src_endpoint.ip]
  timespan: 10m
  condition: {field: user.name, gte: 5}
`)
	p, addr := serving(t, "--data", data, "--policies", folder)
	if got := alertsOf(t, addr, "few_users"); len(got) > 0 {
		t.Errorf("without the fifth user: %+v", got)
	}
	p.kill(t) // while the rule is warmed, or just after
	logins("2.jsonl", 4, 5)
	c := []string{"--data", data, "--policies", folder, "--replay", dir, "--once"}
	once := startUp(t, c...)
	for range once.lines {
	}
	if err := once.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	p, addr = serving(t, "--data", data, "--policies", folder)
	all := awaitAlerts(t, addr, "few_users", 1)
	if len(all) != 1 || all[0].Signals != 5 {
		t.Errorf("%d alerts, first %+v: want one over all five users, four of them before the rule was there", len(all), all[0])
	}
	p.stop(t)
}
