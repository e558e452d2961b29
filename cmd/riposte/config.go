package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/riposte-sec/riposte/internal/config"
	"github.com/riposte-sec/riposte/pipeline/correlate"
	"github.com/riposte-sec/riposte/pipeline/decide"
	"github.com/riposte-sec/riposte/pipeline/respond"
	"github.com/riposte-sec/riposte/pipeline/run"
	"github.com/riposte-sec/riposte/sinks/clickhouse"
)

// defaultConfigPath is read when --config is not given and the file exists.
const defaultConfigPath = "riposte.yaml"

// envPrefix begins the names of the variables that set keys.
const envPrefix = "RIPOSTE"

// Config is the document that --config names. Each part is validated by its owner.
type Config struct {
	// Tenant owns records that name no tenant themselves. Default "default".
	Tenant     string            `yaml:"tenant"`
	Kafka      KafkaConfig       `yaml:"kafka"`
	ClickHouse clickhouse.Config `yaml:"clickhouse"`
	Topics     TopicsConfig      `yaml:"topics"`
	Worker     WorkerConfig      `yaml:"worker"`
	HTTP       HTTPConfig        `yaml:"http"`
	// Policies is a folder with detections, correlations, decide and guard. Default: the
	// shipped ones, which are part of the program.
	Policies  string          `yaml:"policies"`
	Correlate CorrelateConfig `yaml:"correlate"`
	Context   ContextConfig   `yaml:"context"`
	Decide    decide.Config   `yaml:"decide"`
	Respond   respond.Config  `yaml:"respond"`
	// Sinks has a section for each connector that shall exist; the log connector always does.
	Sinks SinksConfig `yaml:"sinks"`

	file   string            // that it was read from, "" if there is none
	origin map[string]string // of what is not a default, by key: file:line, or the variable
}

// CorrelateConfig is about windows and noise.
type CorrelateConfig struct {
	// Lateness is how much later than others a signal may arrive and still be treated as if
	// it had come in order. Default 5m.
	Lateness config.Duration `yaml:"lateness"`
	// Fold is the silence after which a further match of the same detection on the same group
	// is a new alert. Default 1h.
	Fold config.Duration `yaml:"fold"`
	// Budget is the memory that the windows of a partition may take. Default 256MiB.
	Budget config.Size `yaml:"budget"`
	// Storm is how many alerts of one rule per hour and partition may open incidents; further
	// ones are told as folded. 0: no limit. Default 200.
	Storm int `yaml:"storm"`
	// WarmUp is how far back events are matched again for correlations that are new, or that
	// look at other values or rules than before; they know what happened then. At most 90d. 0s: not at all.
	// Default 24h.
	WarmUp config.Duration `yaml:"warm_up"`
}

// ContextConfig is about what is looked up; `riposte context` loads it.
type ContextConfig struct {
	// Retro is how far back recorded events are searched for indicators that are added; what
	// is found opens alerts with the flag retro. At most 90d. 0s: not at all. Default 7d.
	Retro config.Duration `yaml:"retro"`
	// RetroConfidence is the least confidence of the indicators that are searched for, 1 to
	// 100. Default 60.
	RetroConfidence int `yaml:"retro_confidence"`
}

// KafkaConfig says how to reach Kafka.
type KafkaConfig struct {
	Brokers []string `yaml:"brokers"` // host:port; default 127.0.0.1:9092
	// Prefix is put before every topic, group and transactional id.
	Prefix string `yaml:"prefix"`
	TLS    struct {
		Enabled    bool   `yaml:"enabled"` // Speak TLS to the brokers. Default false.
		CA         string `yaml:"ca"`      // PEM file of the authorities to trust instead of the system's.
		Cert       string `yaml:"cert"`    // Cert and Key are PEM files of a client certificate, for mutual TLS: both or neither.
		Key        string `yaml:"key"`
		ServerName string `yaml:"server_name"` // The name in the brokers' certificate, if it is not that of their addresses.
	} `yaml:"tls"`
	SASL struct {
		Mechanism string        `yaml:"mechanism"` // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. Default: no SASL.
		User      string        `yaml:"user"`      // User to log in as.
		Password  config.Secret `yaml:"password"`  // Password of the user.
	} `yaml:"sasl"`
}

// TopicsConfig says how topics are created.
type TopicsConfig struct {
	// Partitions of every topic, fixed when they are created. Default 8.
	Partitions int32 `yaml:"partitions"`
	// Raw is how long raw topics are kept: evidence and replay. Default 7d.
	Raw config.Duration `yaml:"raw_retention"`
	// Derived is how long events, signals and what follows are kept. Default 7d.
	Derived config.Duration `yaml:"derived_retention"`
	// Rejects is how long the dead-letter topic is kept. Default 30d.
	Rejects config.Duration `yaml:"rejects_retention"`
}

// WorkerConfig is about this process.
type WorkerConfig struct {
	// Name must be different for each worker of the cluster and stay the same over restarts:
	// a restarted worker takes its partitions back without a rebalance. Default: the host name.
	Name string `yaml:"name"`
	// Lanes per stage: each is one goroutine with transactions of its own. Default: the
	// number of processors, at most 4.
	Lanes int `yaml:"lanes"`
	// Snapshots is the longest time between two snapshots of a partition's state while it
	// changes. Less makes a restart read less and Kafka write more. Default 5m.
	Snapshots config.Duration `yaml:"snapshots"`
	// Drain is how long a worker that is told to stop may take to finish. Default 20s.
	Drain config.Duration `yaml:"drain"`
}

// HTTPConfig is the listeners: /metrics, /healthz and /readyz; and the block lists.
type HTTPConfig struct {
	Listen string `yaml:"listen"` // host:port; default 127.0.0.1:9600, empty is none
	// EDL is where the block lists of the edl connector are served; default empty: not at all.
	EDL string `yaml:"edl"`
}

// defaultConfig is the configuration of a worker beside a Kafka and a ClickHouse.
func defaultConfig() Config {
	c := Config{Tenant: "default", ClickHouse: clickhouse.Default()}
	c.Kafka.Brokers = run.DefaultKafka().Brokers
	week := config.Duration(7 * 24 * time.Hour)
	c.Topics = TopicsConfig{Partitions: 8, Raw: week, Derived: week, Rejects: config.Duration(30 * 24 * time.Hour)}
	name, err := os.Hostname()
	if err != nil {
		name = "riposte"
	}
	c.Worker = WorkerConfig{Name: name, Lanes: min(runtime.NumCPU(), 4), Snapshots: config.Duration(5 * time.Minute), Drain: config.Duration(20 * time.Second)}
	c.HTTP.Listen = "127.0.0.1:9600"
	cd := correlate.Default()
	c.Correlate = CorrelateConfig{Lateness: config.Duration(cd.Lateness), Fold: config.Duration(cd.Fold), Budget: config.Size(cd.Budget), Storm: cd.Storm, WarmUp: config.Duration(24 * time.Hour)}
	c.Context = ContextConfig{Retro: week, RetroConfidence: 60}
	c.Decide, c.Respond = decide.Default(), respond.Default()
	c.Sinks = defaultSinks()
	return c
}

// loadConfig reads the document and the environment over the defaults: flag over RIPOSTE_*
// over the file (--config, else ./riposte.yaml, else that of the user) over default.
func (a *app) loadConfig() (Config, error) {
	c := defaultConfig()
	c.file, c.origin = a.configFile(), map[string]string{}
	if c.file != "" {
		doc, err := os.ReadFile(c.file)
		if err != nil {
			return c, failWith(exitConfig, err)
		}
		if err := config.Decode(c.file, doc, &c); err != nil {
			return c, failWith(exitConfig, err)
		}
		for key, line := range config.Lines(doc) {
			c.origin[key] = fmt.Sprintf("%s:%d", c.file, line)
		}
	}
	set, err := config.Env(envPrefix, os.LookupEnv, &c)
	if err != nil {
		return c, failWith(exitConfig, err)
	}
	for _, key := range set {
		c.origin[key] = envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
	}
	return c, failWith(exitConfig, c.Validate())
}

// configFile is the file to read, "" if there is none.
func (a *app) configFile() string {
	if a.configPath != "" {
		return a.configPath
	}
	candidates := []string{defaultConfigPath}
	if dir, err := os.UserConfigDir(); err == nil {
		candidates = append(candidates, filepath.Join(dir, "riposte", defaultConfigPath))
	}
	for _, path := range candidates {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
	return ""
}

// Validate returns every mistake of every part, joined.
func (c Config) Validate() error {
	errs := c.outOfRange()
	if c.Tenant == "" {
		errs = append(errs, errors.New("tenant: must not be empty"))
	}
	if c.Worker.Name == "" {
		errs = append(errs, errors.New("worker.name: must not be empty"))
	}
	if _, err := c.Kafka.reach(""); err != nil {
		errs = append(errs, err)
	}
	cc := c.correlate()
	prefix := func(name string, err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return errors.Join(append(errs, c.ClickHouse.Validate(), cc.Validate(),
		prefix("decide", c.Decide.Validate()), prefix("respond", c.Respond.Validate()))...)
}

// outOfRange returns an error for each number and duration of the program's own that is none
// of those allowed.
func (c Config) outOfRange() (errs []error) {
	for _, n := range []struct {
		key              string
		value, low, high int
	}{
		{"topics.partitions", int(c.Topics.Partitions), 1, 4096},
		{"worker.lanes", c.Worker.Lanes, 1, 256},
		{"context.retro_confidence", c.Context.RetroConfidence, 1, 100},
	} {
		if n.value < n.low || n.value > n.high {
			errs = append(errs, fmt.Errorf("%s: %d is not in [%d, %d]", n.key, n.value, n.low, n.high))
		}
	}
	const day = 24 * time.Hour
	for _, d := range []struct {
		key       string
		value     config.Duration
		low, high time.Duration
	}{
		{"worker.snapshots", c.Worker.Snapshots, time.Second, day},
		{"worker.drain", c.Worker.Drain, time.Second, time.Hour},
		{"context.retro", c.Context.Retro, 0, 90 * day},
		{"correlate.warm_up", c.Correlate.WarmUp, 0, 90 * day},
	} {
		if v := time.Duration(d.value); v < d.low || v > d.high {
			errs = append(errs, fmt.Errorf("%s: %v is not in [%v, %v]", d.key, v, d.low, d.high))
		}
	}
	return errs
}

// correlate returns what pipeline/correlate needs, without its rules.
func (c Config) correlate() correlate.Config {
	out := correlate.Default()
	out.Lateness, out.Fold = time.Duration(c.Correlate.Lateness), time.Duration(c.Correlate.Fold)
	out.Budget, out.Storm = int(c.Correlate.Budget), c.Correlate.Storm
	return out
}

// reach returns what pipeline/run needs, with password in place of the secret.
func (k KafkaConfig) reach(password string) (run.Kafka, error) {
	out := run.Kafka{
		Brokers: k.Brokers, Prefix: k.Prefix,
		TLS:  run.TLS{Enabled: k.TLS.Enabled, CA: k.TLS.CA, Cert: k.TLS.Cert, Key: k.TLS.Key, ServerName: k.TLS.ServerName},
		SASL: run.SASL{Mechanism: k.SASL.Mechanism, User: k.SASL.User, Password: run.Secret(password)},
	}
	check := out
	if password == "" && !k.SASL.Password.IsZero() {
		check.SASL.Password = "not read yet"
	}
	return out, check.Validate()
}

// kafka reads the password and returns how to reach Kafka.
func (c Config) kafka() (run.Kafka, error) {
	password, err := c.Kafka.SASL.Password.Reveal()
	if err != nil {
		return run.Kafka{}, failWith(exitConfig, fmt.Errorf("kafka.sasl.password: %w", err))
	}
	k, err := c.Kafka.reach(password)
	return k, failWith(exitConfig, err)
}
