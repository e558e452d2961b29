package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/riposte-sec/riposte/bench/oracle"
	"github.com/riposte-sec/riposte/bench/proc"
	"github.com/riposte-sec/riposte/bench/record"
	"github.com/riposte-sec/riposte/sinks/clickhouse/embedded"
)

// soakOptions are the flags of the soak.
type soakOptions struct {
	length  time.Duration
	rate    int
	broker  string
	results string
}

// soak runs the program itself, all stages with ClickHouse, under a steady load, and looks
// whether its memory grows by more than its state explains.
func soak(ctx context.Context, args []string) (err error) {
	o := soakOptions{}
	fs := flag.NewFlagSet("soak", flag.ContinueOnError)
	fs.DurationVar(&o.length, "for", 30*time.Minute, "length; at least 6m")
	fs.IntVar(&o.rate, "rate", 500, "records per second")
	fs.StringVar(&o.broker, "broker", "kfake", "kfake or kafka (Apache Kafka)")
	fs.StringVar(&o.results, "results", "bench/results", "folder for the result file; empty stores nothing")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if o.length < 6*time.Minute || o.rate < 1 {
		return errors.New("want at least 6 minutes and one record per second")
	}
	var text strings.Builder
	out := io.MultiWriter(os.Stdout, &text)
	fmt.Fprint(out, record.Head(ctx))
	s := &suite{o: options{broker: o.broker}, out: out, stop: func() error { return nil }}
	if s.dir, err = os.MkdirTemp("", "riposte-soak-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.startBroker(ctx); err != nil {
		return err
	}
	verdict := s.soak(ctx, o)
	if o.results != "" && text.Len() > 0 {
		name := fmt.Sprintf("soak-%s-%s.txt", o.broker, time.Now().UTC().Format("20060102-150405"))
		verdict = errors.Join(verdict, os.WriteFile(filepath.Join(o.results, name), []byte(text.String()), 0o644))
	}
	return verdict
}

func (s *suite) soak(ctx context.Context, o soakOptions) (err error) {
	db, err := embedded.Start(ctx, embedded.Config{Dir: filepath.Join(s.dir, "clickhouse"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	worker, metrics, err := s.startProgram(ctx, db.Addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, worker.Kill()) }()
	life, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		cancel(s.feedSteadily(life, o.rate))
	}()
	w := watcher{pid: worker.PID(), url: metrics, out: s.out}
	err = w.watch(life, o.length)
	cancel(nil)
	<-fed
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastLines(filepath.Join(s.dir, "riposte.log")))
	}
	return w.judge()
}

// startProgram builds and starts `riposte run` and waits until it is ready. It returns
// where its metrics are.
func (s *suite) startProgram(ctx context.Context, clickhouse string) (*proc.Process, string, error) {
	exe := filepath.Join(s.dir, "riposte")
	if text, err := exec.CommandContext(ctx, "go", "build", "-o", exe, "./cmd/riposte").CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("build riposte: %w\n%s", err, text)
	}
	ports, err := proc.FreePorts(1)
	if err != nil {
		return nil, "", err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", ports[0])
	config := filepath.Join(s.dir, "riposte.yaml")
	err = os.WriteFile(config, fmt.Appendf(nil, `kafka: {brokers: ["%s"]}
clickhouse: {dsn: "clickhouse://%s/riposte"}
topics: {partitions: %d}
worker: {name: soak, lanes: 1}
http: {listen: "%s"}
sinks: {log: {}, edl: {}}
`, strings.Join(s.addrs, `", "`), clickhouse, partitions, listen), 0o600)
	if err != nil {
		return nil, "", err
	}
	log, err := os.Create(filepath.Join(s.dir, "riposte.log"))
	if err != nil {
		return nil, "", err
	}
	p, err := proc.Start(proc.Spec{Name: "riposte", Path: exe, Args: []string{"run", "--config", config}, Log: log})
	if err != nil {
		return nil, "", errors.Join(err, log.Close())
	}
	for {
		if _, err := get(ctx, "http://"+listen+"/readyz"); err == nil {
			return p, "http://" + listen + "/metrics", nil
		}
		select {
		case <-p.Done():
			return nil, "", fmt.Errorf("riposte ended: %w: %s", p.Err(), lastLines(log.Name()))
		case <-ctx.Done():
			return nil, "", errors.Join(context.Cause(ctx), p.Kill())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// lastLines is the end of a log file.
func lastLines(path string) string {
	text, _ := os.ReadFile(path)
	return string(text[max(0, len(text)-2000):])
}

// get returns the body of a page that answers with 200.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return body, err
}

// feedSteadily sends records until ctx ends: copies, poison and triggers among them.
func (s *suite) feedSteadily(ctx context.Context, rate int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.addrs...), kgo.DefaultProduceTopic(rawTopic), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(5000), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	if err != nil {
		return err
	}
	defer cl.Close()
	const slice = 20 * time.Millisecond
	tick := time.NewTicker(slice)
	defer tick.Stop()
	owed := 0.0
	for seed := uint64(1); ; seed++ { // a plan repeats after 200,000 records, with other ids
		plan := oracle.Default(seed, 200_000)
		plan.Targets = 200
		g, err := oracle.New(plan)
		if err != nil {
			return err
		}
		for more := true; more; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
			for owed += float64(rate) * slice.Seconds(); owed >= 1 && more; owed-- {
				var r oracle.Record
				if r, more = g.Next(time.Now()); more {
					cl.Produce(ctx, &kgo.Record{Key: []byte(r.Key), Value: r.Value}, nil)
				}
			}
		}
	}
}
