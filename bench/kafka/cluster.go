package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/riposte-sec/riposte/bench/proc"
)

// clusterID is the id that all our folders are formatted with: 16 bytes, base64url.
const clusterID = "cmlwb3N0ZS1iZW5jaC0wMA"

// Cluster is one broker, or three, each of them controller too. Its methods are for one
// goroutine at a time, except Addrs.
type Cluster struct {
	lib   string
	nodes []*node
}

type node struct {
	id     int
	port   int
	secure map[Listener]int // ports
	config string
	heapMB int
	log    *proc.Tail
	proc   *proc.Process
}

// Start starts n brokers (1 or 3) with their data in folders below dir and returns when
// all of them serve. With 3, topics of replication factor 3 have min.insync.replicas 2.
// What Install has to fetch is shown on progress. ctx limits the start alone; Close ends
// the brokers.
func Start(ctx context.Context, dir string, n int, progress io.Writer) (*Cluster, error) {
	if n != 1 && n != 3 {
		return nil, fmt.Errorf("kafka: %d brokers: want 1 or 3", n)
	}
	return boot(ctx, dir, n, nil, progress)
}

// boot starts n brokers, with listeners for sec if it is given.
func boot(ctx context.Context, dir string, n int, sec *Security, progress io.Writer) (*Cluster, error) {
	lib, err := Install(ctx, progress)
	if err != nil {
		return nil, err
	}
	ports, err := proc.FreePorts(2*n + len(listeners))
	if err != nil {
		return nil, err
	}
	c := &Cluster{lib: lib}
	for i := range n {
		nd, err := c.format(ctx, dir, i+1, n, sec, ports)
		if err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, nd)
	}
	for i := range c.nodes {
		if err := c.launch(i); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	for i := range c.nodes {
		if err := c.ready(ctx, i); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

// Addrs are the addresses of the brokers; they stay the same over restarts.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addrs[i] = n.addr()
	}
	return addrs
}

// Kill ends broker i, from 0, with kill -9.
func (c *Cluster) Kill(i int) error { return c.nodes[i].proc.Kill() }

// Restart starts broker i, which must have ended, on its folder and port, and returns when
// it serves.
func (c *Cluster) Restart(ctx context.Context, i int) error {
	if err := c.launch(i); err != nil {
		return err
	}
	return c.ready(ctx, i)
}

// Process is the running process of broker i, to freeze it or to read its CPU time.
func (c *Cluster) Process(i int) *proc.Process { return c.nodes[i].proc }

// Close kills all brokers. The folders stay.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range c.nodes {
		if n.proc != nil {
			errs = append(errs, n.proc.Kill())
		}
	}
	return errors.Join(errs...)
}

func (n *node) addr() string { return fmt.Sprintf("127.0.0.1:%d", n.port) }

// format writes the configuration of node id and formats its folder.
func (c *Cluster) format(ctx context.Context, dir string, id, brokers int, sec *Security, ports []int) (*node, error) {
	home := filepath.Join(dir, fmt.Sprintf("kafka-%d", id))
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, fmt.Errorf("kafka data: %w", err)
	}
	n := &node{id: id, port: ports[id-1], heapMB: 1024, config: filepath.Join(home, "server.properties"), log: &proc.Tail{}}
	if brokers > 1 {
		n.heapMB = 512 // three of them share a small machine
	}
	config := properties(home, id, brokers, ports)
	args := append(n.java(c.lib), "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", clusterID, "-c", n.config)
	if sec != nil {
		n.secure = map[Listener]int{}
		for i, l := range listeners {
			n.secure[l] = ports[2*brokers+i]
		}
		config = sec.addTo(config, n.secure)
		args = append(args, sec.users()...)
	}
	if err := os.WriteFile(n.config, config, 0o600); err != nil {
		return nil, fmt.Errorf("kafka data: %w", err)
	}
	if err := os.WriteFile(filepath.Join(home, "log4j.properties"), fmt.Appendf(nil, logging, filepath.Join(home, "server.log")), 0o600); err != nil {
		return nil, fmt.Errorf("kafka data: %w", err)
	}
	out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("format the folder of kafka %d: %w\n%s", id, err, out)
	}
	return n, nil
}

// logging keeps warnings and errors, on stdout, where an error message quotes them, and in a
// file that is left as evidence, with what the coordinator of transactions does beside.
const logging = `log4j.rootLogger=WARN, out, file
log4j.logger.kafka.coordinator.transaction=INFO, file
log4j.additivity.kafka.coordinator.transaction=false
log4j.appender.file=org.apache.log4j.FileAppender
log4j.appender.file.File=%s
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%%d{ISO8601} %%p %%m (%%c{1})%%n
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%%d{ABSOLUTE} %%p %%m (%%c{1})%%n
`

// properties is the configuration of node id. ports are those of the brokers, then those
// of the controllers.
func properties(home string, id, brokers int, ports []int) []byte {
	var voters []string
	for i := range brokers {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[brokers+i]))
	}
	minISR := 1
	if brokers > 1 {
		minISR = 2
	}
	p := fmt.Sprintf(`process.roles=broker,controller
node.id=%d
controller.quorum.voters=%s
listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d
advertised.listeners=PLAINTEXT://127.0.0.1:%d
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=%s
`, id, strings.Join(voters, ","), ports[id-1], ports[brokers+id-1], ports[id-1], filepath.Join(home, "data"))
	var factors strings.Builder
	for _, topic := range []string{"offsets.topic", "transaction.state.log", "share.coordinator.state.topic"} {
		fmt.Fprintf(&factors, "%s.replication.factor=%d\n", topic, brokers)
		if topic != "offsets.topic" {
			fmt.Fprintf(&factors, "%s.min.isr=%d\n", topic, minISR)
		}
	}
	p += factors.String()
	// Few internal partitions: each costs files and start-up time on a small machine.
	p += fmt.Sprintf(`min.insync.replicas=%d
default.replication.factor=%d
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
transaction.max.timeout.ms=900000
`, minISR, brokers)
	return []byte(p)
}

func (n *node) java(lib string) []string {
	return []string{
		fmt.Sprintf("-Xmx%dm", n.heapMB),
		"-Dlog4j.configuration=file:" + filepath.Join(filepath.Dir(n.config), "log4j.properties"),
		"-cp", filepath.Join(lib, "*"),
	}
}

func (c *Cluster) launch(i int) error {
	n := c.nodes[i]
	p, err := proc.Start(proc.Spec{
		Name: fmt.Sprintf("kafka %d", n.id), Path: "java",
		Args: append(n.java(c.lib), "kafka.Kafka", n.config), Log: n.log,
	})
	if err != nil {
		return err
	}
	n.proc = p
	return nil
}

// ready waits until broker i answers ApiVersions, then until it lists itself as a broker of
// the cluster: a KRaft broker answers before it is registered.
func (c *Cluster) ready(ctx context.Context, i int) error {
	n := c.nodes[i]
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.addr()), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return fmt.Errorf("kafka %d: %w", n.id, err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("not ready in 5 minutes"))
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if serves(ctx, cl, int32(n.id)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-n.proc.Done():
			return fmt.Errorf("kafka %d ended: %w\n%s", n.id, errors.Join(n.proc.Err()), n.log.Lines(20))
		case <-ctx.Done():
			return fmt.Errorf("kafka %d: %w\n%s", n.id, context.Cause(ctx), n.log.Lines(20))
		}
	}
}

func serves(ctx context.Context, cl *kgo.Client, id int32) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, cl)
	if err != nil || versions.ErrorCode != 0 {
		return false
	}
	meta, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl)
	if err != nil {
		return false
	}
	for _, b := range meta.Brokers {
		if b.NodeID == id {
			return true
		}
	}
	return false
}
