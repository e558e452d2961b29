package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/riposte-sec/riposte/cmd/assembly"
	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline"
	"github.com/riposte-sec/riposte/pipeline/run"
)

// upFlags are what `riposte up` was asked.
type upFlags struct {
	data                           string
	replay                         []string
	once                           bool
	format                         string
	rate                           float64
	seed                           uint64
	noSample                       bool
	partitions                     int32
	kafkaPort, tcpPort, httpPort   int
	opsListen, edlListen, policies string
}

func (a *app) upCommand() *cobra.Command {
	f := upFlags{}
	c := &cobra.Command{
		Use:   "up [--replay PATH...]",
		Short: "run everything in one process on embedded parts, with sample traffic",
		Long: `up runs the whole pipeline in one process, with a Kafka broker inside and a real
ClickHouse as a child process, and plays the traffic of an invented organisation of
500 hosts with five attacks woven in. It prints what happens and what to look at, and
goes on until Ctrl-C; the next start carries on with the data that is there.

With --replay it feeds files instead: a folder per source (suricata, zeek, windows,
cloudtrail, okta, ocsf), files ending in .gz too. With --once it ends when every stage
has drained and prints an account: read = live + duplicate + rejected.

The embedded parts hold a single copy of the data: they are for trying out, tests and
replays, not for production.`,
		Example: `  riposte up
  riposte up --rate 2000 --seed 7
  riposte up --replay ./logs --once --format json
  riposte up --replay ./zeek ./okta --once
  riposte up --data /var/tmp/riposte --no-sample`,
		Args: func(c *cobra.Command, args []string) error {
			if len(f.replay) == 0 {
				return noArgs(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, more []string) error {
			f.replay = append(f.replay, more...) // a flag takes one path, the others stand behind it
			return a.up(c.Context(), f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.data, "data", "", "data directory (default $XDG_DATA_HOME/riposte/up; a replay has one of its own)")
	fl.StringArrayVar(&f.replay, "replay", nil, "replay these files or folders instead of sample traffic")
	fl.BoolVar(&f.once, "once", false, "with --replay: end when everything is done and print the account")
	fl.Float64Var(&f.rate, "rate", 200, "sample records per second at the busiest hour")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the sample traffic (default: from the start time, so that no two runs repeat)")
	fl.BoolVar(&f.noSample, "no-sample", false, "no sample traffic: feed it yourself, with riposte feed")
	fl.Int32Var(&f.partitions, "partitions", 2, "partitions of each topic, for a new data directory")
	fl.IntVar(&f.kafkaPort, "kafka-port", 0, "port of the embedded Kafka on 127.0.0.1 (default: a free one)")
	fl.IntVar(&f.tcpPort, "clickhouse-port", 0, "native port of the embedded ClickHouse (default: a free one)")
	fl.IntVar(&f.httpPort, "clickhouse-http-port", 0, "HTTP port of the embedded ClickHouse (default: a free one)")
	fl.StringVar(&f.opsListen, "http", "127.0.0.1:0", "address for /metrics, /healthz and /readyz")
	fl.StringVar(&f.edlListen, "edl", "127.0.0.1:0", "address of the block lists that firewalls pull")
	fl.StringVar(&f.policies, "policies", "", "folder with detections, correlations, decide and guard (default: the shipped ones)")
	formatFlag(c, &f.format, formatTable, formatJSON)
	return c
}

func (f upFlags) validate() error {
	switch {
	case f.once && len(f.replay) == 0:
		return usagef("--once needs --replay")
	case f.rate <= 0:
		return usagef("--rate %g: want more than 0", f.rate)
	case f.partitions < 1:
		return usagef("--partitions %d: want at least 1", f.partitions)
	}
	for _, path := range f.replay {
		if _, err := os.Stat(path); err != nil {
			return usagef("--replay: %v", err)
		}
	}
	return nil
}

// dataDir is the directory of the flags, or the one that belongs to what is asked: equal
// commands have equal directories, so that a replay that was killed goes on.
func (f upFlags) dataDir() (string, error) {
	if f.data != "" {
		return filepath.Abs(f.data)
	}
	home, err := dataHome()
	if err != nil || len(f.replay) == 0 {
		return filepath.Join(home, "up"), err
	}
	id, err := replayID(f.replay)
	return filepath.Join(home, "replay-"+id), err
}

func (a *app) up(ctx context.Context, f upFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	began := time.Now()
	dir, err := f.dataDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	say := func(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }
	say("data        %s", dir)
	log := a.quietLogger()
	s, err := startStack(ctx, stackConfig{
		dir: dir, kafkaPort: f.kafkaPort, tcpPort: f.tcpPort, httpPort: f.httpPort, log: log, progress: say, installTo: a.stderr,
	})
	if err != nil {
		return err
	}
	result, err := a.upOn(ctx, s, dir, f, say, log)
	err = errors.Join(err, s.close())
	if err != nil || !f.once {
		return err
	}
	result.WallSeconds = round3(time.Since(began).Seconds())
	result.CPUSeconds = round3(cpuSeconds())
	return a.printAccount(result, f.format)
}

// quietLogger logs warnings and worse unless more was asked for: up talks to a person.
func (a *app) quietLogger() *slog.Logger {
	if a.logLevel == slog.LevelInfo {
		b := *a
		b.logLevel = slog.LevelWarn
		return b.logger()
	}
	return a.logger()
}

// upOn runs the pipeline on a started stack.
func (a *app) upOn(ctx context.Context, s *stack, dir string, f upFlags, say func(string, ...any), log *slog.Logger) (account, error) {
	box, err := openInbox(ctx, filepath.Join(dir, "inbox.jsonl"))
	if err != nil {
		return account{}, err
	}
	defer func() { _ = box.close(context.WithoutCancel(ctx)) }() // its letters are on the disk already
	cfg, err := f.config(box)
	if err != nil {
		return account{}, err
	}
	p, err := a.build(ctx, pipelineParts{cfg: cfg, kafka: s.kafka(), rows: rowsTo(s.store), stages: assembly.Stages(), log: log})
	if err != nil {
		return account{}, err
	}
	defer p.close()
	p.ops.registry.MustRegister(s.restarts())
	say("metrics     http://%s/metrics", p.ops.addr())
	say("block list  http://%s/ip  (and /domain, /url): what firewalls would pull", p.edlAddr)
	say("inbox       %s: what the ticket system, pager and identity provider would get", filepath.Join(dir, "inbox.jsonl"))
	say("policies    revision %s: %d detections, %d correlations\n", p.policies.Revision, len(p.policies.Detections.IDs()), len(p.policies.Correlations.All()))
	return a.play(ctx, s, p, f, say)
}

// config is that of the whole pipeline in one process.
func (f upFlags) config(box *inbox) (Config, error) {
	c := defaultConfig()
	c.Topics.Partitions = f.partitions
	c.Worker.Name, c.Worker.Lanes = "up", 1
	c.HTTP.Listen, c.HTTP.EDL, c.Policies = f.opsListen, f.edlListen, f.policies
	if len(f.replay) > 0 {
		c.forReplay()
	}
	hook, err := config.SectionOf(fmt.Sprintf("{url: 'http://%s/', internal: true, keys: [{id: up, secret: {env: %s}}]}", box.addr, inboxKey))
	if err != nil {
		return c, err
	}
	if err := os.Setenv(inboxKey, box.key); err != nil {
		return c, err
	}
	c.Sinks = SinksConfig{"log": {}, "edl": {}, "webhook": hook}
	return c, nil
}

// forReplay lifts what bounds work by time: files are read one after the other, and much of
// a replay may carry one and the same time. So nothing counts as late, what is one incident
// does not depend on which file came first, and no decision is put off to another minute.
func (c *Config) forReplay() {
	all := config.Duration(pipeline.MaxLateness)
	c.Correlate.Lateness, c.Decide.Idle, c.Decide.Forget = all, all, all
	c.Decide.MaxEvaluations, c.Decide.MaxPerMinute = 1024, 1024
}

// inboxKey is the variable through which the webhook connector gets the key of the inbox: a
// configuration holds references to secrets, never a secret.
const inboxKey = "RIPOSTE_UP_INBOX_KEY"

// play feeds the pipeline and follows it until the end of ctx, or of a replay.
func (a *app) play(ctx context.Context, s *stack, p *running, f upFlags, say func(string, ...any)) (account, error) {
	work, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.worker.Run(work) }()

	fed := make(chan error, 1)
	go func() { fed <- a.feedUp(work, s.kafka(), defaultConfig().Tenant, f) }()

	watch := newWatch(a, s, p.worker)
	var result account
	err := watch.follow(work, ended, fed, f, say)
	if err == nil && f.once {
		result, err = takeAccount(ctx, s.store)
	}
	interrupted := ctx.Err() != nil
	stop()
	if runErr := <-ended; err == nil {
		err = runErr
	}
	if interrupted && !f.once && (err == nil || errors.Is(err, context.Canceled)) {
		say("\nstopped; the next `riposte up` carries on with the data that is there")
		return result, nil
	}
	return result, err
}

// feedUp brings in the files of --replay, or sample traffic without end, or nothing.
func (a *app) feedUp(ctx context.Context, k run.Kafka, tenant string, f upFlags) error {
	switch {
	case len(f.replay) > 0:
		_, err := a.replayFiles(ctx, k, f.replay)
		return err
	case f.noSample:
		return nil
	}
	cfg := sampleConfig(f.rate, f.seed)
	if err := loadSample(ctx, k, tenant, cfg); err != nil {
		return fmt.Errorf("sample context: %w", err)
	}
	return playSample(ctx, k, cfg)
}
