package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
	"github.com/riposte-sec/riposte/bench/proc"
)

// fixture writes a folder per source and returns it, with the account that it must lead to.
// Every source has two good lines; okta has one again and windows one that is cut off, and
// zeek's file is compressed.
func fixture(t *testing.T) (dir string, want account) {
	t.Helper()
	dir = t.TempDir()
	okta := `{"uuid":"0b1c2d3e-0000-0000-0000-%012d","published":"2026-09-21T13:30:00.225Z","eventType":"user.session.start","severity":"INFO","actor":{"id":"00u1","type":"User","alternateId":"homer@example.com"},"client":{"ipAddress":"203.0.113.8"},"outcome":{"result":"SUCCESS"}}`
	files := map[string][]string{
		"okta/a.jsonl": {fmt.Sprintf(okta, 1), fmt.Sprintf(okta, 2), fmt.Sprintf(okta, 1)},
		"suricata/eve.jsonl": {
			`{"timestamp":"2026-09-21T13:30:00.000001+0000","flow_id":1,"event_type":"dns","src_ip":"10.0.0.5","src_port":5353,"dest_ip":"10.0.0.1","dest_port":53,"proto":"UDP","dns":{"type":"query","id":7,"rrname":"example.com","rrtype":"A"}}`,
			`{"timestamp":"2026-09-21T13:30:01.000001+0000","flow_id":2,"event_type":"dns","src_ip":"10.0.0.6","src_port":5353,"dest_ip":"10.0.0.1","dest_port":53,"proto":"UDP","dns":{"type":"query","id":8,"rrname":"example.org","rrtype":"A"}}`,
		},
		"zeek/conn.log.gz": {
			`{"_path":"conn","ts":1790000000.1,"uid":"C1","id.orig_h":"10.0.0.5","id.orig_p":40000,"id.resp_h":"192.0.2.1","id.resp_p":443,"proto":"tcp","conn_state":"SF"}`,
			`{"_path":"conn","ts":1790000001.1,"uid":"C2","id.orig_h":"10.0.0.6","id.orig_p":40001,"id.resp_h":"192.0.2.1","id.resp_p":443,"proto":"tcp","conn_state":"SF"}`,
		},
		"windows/security.jsonl": {`{"EventID":4624,"Chan`, `no json at all`},
	}
	for name, lines := range files {
		text := strings.Join(lines, "\n") + "\n"
		if strings.HasSuffix(name, ".gz") {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			if _, err := z.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			text = b.String()
		}
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir, account{Read: 9, Live: 6, Duplicate: 1, Rejected: 2}
}

// replayOnce runs the program over dir to its end and returns what it accounts for.
func replayOnce(t *testing.T, data, dir string) account {
	t.Helper()
	c := program(t, "up", "--data", data, "--replay", dir, "--once", "--format", "json")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	var a account
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return a
}

// counts leaves out what differs from run to run.
func counts(a account) account {
	a.MTTD, a.MTTR, a.WallSeconds, a.CPUSeconds = nil, nil, 0, 0
	return a
}

func expectFates(t *testing.T, got, want account) {
	t.Helper()
	if got.Read != want.Read || got.Live != want.Live || got.Duplicate != want.Duplicate || got.Rejected != want.Rejected {
		t.Errorf("account %+v, want %+v", got, want)
	}
}

func TestReplayAccountsForEveryLineAndIsDoneOnce(t *testing.T) {
	needClickHouse(t)
	kafkatest.EmbeddedOnly(t)
	dir, want := fixture(t)
	data := t.TempDir()
	first := replayOnce(t, data, dir)
	expectFates(t, first, want)
	if again := replayOnce(t, data, dir); counts(again) != counts(first) {
		t.Errorf("the same command again: %+v, want %+v", again, first)
	}
	for _, n := range []string{"0", "1"} {
		if err := os.RemoveAll(filepath.Join(data, "kafka", "log", "partitions", "state.ingest.raw.okta-"+n)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := program(t, "up", "--data", data, "--replay", dir, "--once").CombinedOutput()
	if want := "is not served"; err == nil || !strings.Contains(string(out), want) {
		t.Errorf("without its state: %v, want an error that says %q:\n%s", err, want, out)
	}
}

// loginAttempts writes two files of n failed logins of okta together, over the same days, so
// that the second begins long before the first ends. Each hundredth is there twice, and one
// line is broken. It returns the account that they must lead to.
func loginAttempts(t *testing.T, dir string, n int) account {
	t.Helper()
	at := time.Date(2020, 5, 4, 3, 2, 1, 0, time.UTC)
	var files [2]strings.Builder
	for i := range n {
		b, at := &files[i/100%2], at.Add(time.Duration(i)*time.Minute)
		if i%100 == 99 { // the last of a hundred repeats the one before
			i, at = i-1, at.Add(-time.Minute)
		}
		fmt.Fprintf(b, `{"uuid":"%d","published":"%s","eventType":"user.session.start","severity":"INFO","actor":{"id":"00u1","type":"User","alternateId":"u%d@example.com"},"client":{"ipAddress":"203.0.113.8"},"outcome":{"result":"FAILURE","reason":"INVALID_CREDENTIALS"}}`+"\n", i, at.Format(time.RFC3339), i%50)
	}
	files[1].WriteString("broken\n")
	for i := range files {
		writeFile(t, filepath.Join(dir, "okta", fmt.Sprintf("%d.jsonl", i)), files[i].String())
	}
	again := uint64(n / 100)
	return account{Read: uint64(n) + 1, Live: uint64(n) - again, Duplicate: again, Rejected: 1}
}

func TestReplayKilledInTheMiddleEndsWithTheSameCounts(t *testing.T) {
	needClickHouse(t)
	kafkatest.EmbeddedOnly(t)
	dir := t.TempDir()
	want := loginAttempts(t, dir, 5000)
	undisturbed := replayOnce(t, t.TempDir(), dir)
	expectFates(t, undisturbed, want)
	if undisturbed.Signals == 0 {
		t.Error("no signals: the run proves little")
	}

	data := t.TempDir()
	for _, moment := range []string{"policies ", "replayed "} {
		p := startUp(t, "--data", data, "--replay", dir, "--once")
		p.await(t, moment)
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.cmd.Wait() // it was killed
	}
	if got := replayOnce(t, data, dir); counts(got) != counts(undisturbed) {
		t.Errorf("after kill -9 %+v, undisturbed %+v", got, undisturbed)
	}
}

// process is a running riposte.
type process struct {
	cmd   *exec.Cmd
	lines chan string // of stderr; closed at its end
}

func startUp(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, append([]string{"up"}, args...)...)
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: program(t, args...), lines: make(chan string, 1000)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it has ended where all went well
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p
}

// await returns the line that begins with prefix.
func (p *process) await(t *testing.T, prefix string) string {
	t.Helper()
	return p.awaitMatch(t, regexp.MustCompile("^"+regexp.QuoteMeta(prefix)))[0]
}

// awaitMatch returns the first line that re matches, followed by its groups.
func (p *process) awaitMatch(t *testing.T, re *regexp.Regexp) []string {
	t.Helper()
	deadline := time.After(time.Minute)
	var seen []string
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("ended without a line %q:\n%s", re, strings.Join(seen, "\n"))
			}
			seen = append(seen, line)
			if m := re.FindStringSubmatch(line); m != nil {
				return append([]string{line}, m[1:]...)
			}
		case <-deadline:
			t.Fatalf("no line %q within a minute:\n%s", re, strings.Join(seen, "\n"))
		}
	}
}

// stop sends SIGTERM and expects a clean end.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range p.lines {
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestASecondUpOnADataDirectoryIsRefused(t *testing.T) {
	needClickHouse(t)
	kafkatest.EmbeddedOnly(t)
	dir, _ := fixture(t)
	data := t.TempDir()
	replayOnce(t, data, dir)
	p := startUp(t, "--data", data, "--no-sample")
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(p.await(t, "Kafka "))
	dsn := "clickhouse://" + regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(p.await(t, "ClickHouse ")) + "/riposte"
	p.await(t, "policies ")

	second := program(t, "up", "--data", data, "--no-sample")
	out, err := second.CombinedOutput()
	if ee, ok := errors.AsType[*exec.ExitError](err); !ok || ee.ExitCode() != int(exitFailed) {
		t.Errorf("the second up: %v, want exit code %d", err, exitFailed)
	}
	if want := "another riposte uses " + data; !strings.Contains(string(out), want) {
		t.Errorf("the second up does not say %q:\n%s", want, out)
	}
	rejectsOnIt(t, addr)
	for _, format := range []string{"table", "json", "csv"} {
		if r := invoke(t, "report", "mttd", "mttr", "rejects", "sources", "doubles", "--clickhouse", dsn, "--format", format); r.code != exitDone {
			t.Errorf("report as %s: exit code %d: %s", format, r.code, r.stderr)
		}
	}
	p.stop(t)
	if _, err := os.Stat(filepath.Join(data, "inbox.jsonl")); err != nil {
		t.Error(err)
	}
}

// rejectsOnIt lists, shows and redrives the rejects of the fixture.
func rejectsOnIt(t *testing.T, addr string) {
	t.Helper()
	var list struct{ Rejects []reject }
	r := invoke(t, "rejects", "list", "--brokers", addr, "--source", "windows", "--format", "json")
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list.Rejects) != 2 {
		t.Fatalf("%v: want two rejects of windows: %s%s", err, r.stdout, r.stderr)
	}
	for _, one := range list.Rejects {
		if one.Stage == "" || one.Reason == "" || one.At == "" || !strings.HasPrefix(one.Topic, "raw.windows") {
			t.Errorf("reject %+v lacks where it came from or why", one)
		}
		shown := invoke(t, "rejects", "show", one.ID, "--brokers", addr)
		if !strings.Contains(shown.stdout, `"text"`) {
			t.Errorf("show %s has no bytes: %s%s", one.ID, shown.stdout, shown.stderr)
		}
	}
	if r := invoke(t, "rejects", "show", "9:99", "--brokers", addr); r.code != exitFailed || !strings.Contains(r.stderr, "there is no reject 9:99") {
		t.Errorf("an id that is not there: exit code %d, %s", r.code, r.stderr)
	}
	id := list.Rejects[0].ID
	if r := invoke(t, "rejects", "redrive", id, "--brokers", addr); !strings.Contains(r.stdout, "would produce 1 records") {
		t.Errorf("redrive without --yes: %s%s", r.stdout, r.stderr)
	}
	if r := invoke(t, "rejects", "redrive", id, "--brokers", addr, "--yes"); !strings.Contains(r.stdout, "1 records are on their raw topics again") {
		t.Errorf("redrive: %s%s", r.stdout, r.stderr)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		r := invoke(t, "rejects", "list", "--brokers", addr, "--source", "windows", "--format", "jsonl")
		if strings.Count(r.stdout, "\n") == 3 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the redriven record was not rejected again: %s%s", r.stdout, r.stderr)
		}
	}
}

// TestUpStartsItsClickHouseAgain kills the child under a running up: the restart must be
// counted, and every row be there in the end.
func TestUpStartsItsClickHouseAgain(t *testing.T) {
	needClickHouse(t)
	kafkatest.EmbeddedOnly(t)
	dir, want := fixture(t)
	data := t.TempDir()
	p := startUp(t, "--data", data, "--replay", dir)
	metrics := strings.Fields(p.await(t, "metrics "))[1]
	children := proc.Children(p.cmd.Process.Pid)
	if len(children) != 1 {
		t.Fatalf("children %v, want ClickHouse alone", children)
	}
	if err := syscall.Kill(children[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(body(t, metrics), "riposte_embedded_clickhouse_restarts_total 1"); {
		if time.Now().After(deadline) {
			t.Fatal("ClickHouse was not started again within a minute")
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.stop(t)
	expectFates(t, replayOnce(t, data, dir), want)
}

// body returns what a URL answers, nothing if nobody listens yet.
func body(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text)
}
