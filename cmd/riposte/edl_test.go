package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riposte-sec/riposte/bench/kafka/kafkatest"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// listRig is a broker, and workers that respond and serve block lists.
type listRig struct {
	t   *testing.T
	k   run.Kafka
	rev uint64
}

func (r *listRig) worker(name string) (p *process, url string) {
	r.t.Helper()
	config := filepath.Join(r.t.TempDir(), name+".yaml")
	writeFile(r.t, config, fmt.Sprintf(`kafka: {brokers: [%q], prefix: %q}
topics: {partitions: 4}
worker: {name: %s, lanes: 1}
http: {listen: "", edl: "127.0.0.1:0"}
respond: {grace: 0s}
sinks: {edl: {}}
`, r.k.Brokers[0], r.k.Prefix, name))
	p = start(r.t, "run", "--config", config, "--stages", "respond")
	return p, "http://" + p.awaitMatch(r.t, regexp.MustCompile(`msg=running .*edl=([0-9.:]+)`))[1] + "/ip"
}

// want publishes intents that the addresses be blocked, or no longer.
func (r *listRig) want(what string, ttl time.Duration, addresses ...string) {
	r.t.Helper()
	r.rev++
	var all []pipeline.Message
	for _, ip := range addresses {
		in := pipeline.Intent{
			Tenant: "default", Incident: pipeline.HashID("incident", ip), Group: "ip:" + ip, Decision: pipeline.HashID("decision"),
			Revision: r.rev, Want: what, Playbook: "p", Step: "block", Action: "ip.block", Effect: pipeline.EffectBlock, Connector: "edl",
			Target: pipeline.EntityValue{Kind: "ip", Value: ip}, TTL: int64(ttl.Seconds()), Verdict: pipeline.VerdictAllow, Mode: "live",
			Created: pipeline.MillisOf(time.Now()), OnExpiry: "undo", Priority: 1, Reasons: []pipeline.Reason{},
		}
		in.ID = pipeline.IntentID(in.Tenant, in.Incident, in.Playbook, in.Step, in.Action, in.Target)
		value, err := json.Marshal(&in)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, pipeline.Message{Topic: pipeline.TopicIntents, Key: pipeline.AppendKey(nil, in.Tenant, "ip:"+ip), Value: value})
	}
	p, err := run.NewPublisher(r.t.Context(), r.k, "test")
	if err != nil {
		r.t.Fatal(err)
	}
	defer p.Close()
	if err := p.Publish(r.t.Context(), all); err != nil {
		r.t.Fatal(err)
	}
}

// pull returns the list as a firewall would get it; code 0 says that nobody listens.
func pull(t *testing.T, url string) (code int, lines []string, etag string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, ""
	}
	return resp.StatusCode, strings.Fields(string(body)), resp.Header.Get("ETag")
}

// serve waits until every url serves exactly the addresses, under one ETag.
func (r *listRig) serve(want []string, urls ...string) {
	r.t.Helper()
	want = slices.Sorted(slices.Values(want))
	says := ""
	for until := time.Now().Add(60 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		says = ""
		tags := map[string]bool{}
		for _, url := range urls {
			code, got, tag := pull(r.t, url)
			tags[tag] = true
			if slices.Sort(got); code != http.StatusOK || !slices.Equal(got, want) {
				says = fmt.Sprintf("%s: %d %v", url, code, got)
			}
		}
		if says == "" && len(tags) == 1 {
			return
		}
	}
	r.t.Fatalf("want %v everywhere under one ETag: %s", want, says)
}

// guarded watches that no answer of the urls lacks one of the addresses until it is stopped.
func (r *listRig) guarded(always []string, urls ...string) (stop func()) {
	r.t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, url := range urls {
		wg.Go(func() {
			for answers := 0; ; {
				code, got, _ := pull(r.t, url)
				if code == http.StatusOK {
					answers++
				}
				for _, ip := range always {
					if code == http.StatusOK && !slices.Contains(got, ip) {
						r.t.Errorf("%s was served without %s: %v", url, ip, got)
						return
					}
				}
				select {
				case <-done:
					if answers == 0 {
						r.t.Errorf("%s never served a list", url)
					}
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
	return func() { close(done); wg.Wait() }
}

func TestBlockListIsWholeOnEveryWorkerThroughKillsAndRebalances(t *testing.T) {
	if testing.Short() {
		t.Skip("runs several workers; not with -short")
	}
	t.Parallel()
	b := kafkatest.Start(t)
	r := &listRig{t: t, k: run.Kafka{Brokers: b.Addrs, Prefix: b.Prefix}}
	var lasting, short []string
	for i := range 12 {
		lasting = append(lasting, fmt.Sprintf("203.0.113.%d", i+1))
		short = append(short, fmt.Sprintf("198.51.100.%d", i+1))
	}
	one, first := r.worker("one")
	r.serve(nil, first)
	r.want(pipeline.WantPresent, time.Hour, lasting...)
	r.serve(lasting, first)

	unguard := r.guarded(lasting, first)
	_, second := r.worker("two") // takes partitions over
	r.serve(lasting, first, second)
	r.want(pipeline.WantPresent, 15*time.Second, short...)
	r.serve(slices.Concat(lasting, short), first, second)
	unguard()

	unguard = r.guarded(lasting, second)
	if err := one.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = one.cmd.Wait()       // it was killed
	r.serve(lasting, second) // the others' time is over, whoever has their partitions
	_, again := r.worker("one")
	r.serve(lasting, second, again)
	unguard()
	r.want(pipeline.WantAbsent, 0, lasting[:6]...)
	r.serve(lasting[6:], second, again)
}
